"""Keep decoded pictures on the disk, so that each is decoded once and not in every trial.

The pictures of one listing have one file, with a record for each: its checksum and its pixels. A record is
written as soon as its picture is decoded, and one that does not fit its checksum is as if it were missing.
So a kill, a crash of the machine and trials that write at the same time cost at most another decoding. A file
is never changed in another way, and one that is removed while it is read stays readable.

Its name is a hash of all that pixels depend on: the rules and libraries of decoding, and each picture's path,
size, inode and times. Reading all contents instead takes as long as decoding a part of them. The time of the
last change (ctime) cannot be set by programs, so other content under an old time is seen.

Records are read by their offset and not through a memory map, because a map ends the process when the disk
fails.
"""

import hashlib
import logging
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import features

from trainer.data import Source, cache_folder
from trainer.errors import InvalidConfig

VARIABLE = "NAS_DECODED_BYTES"  # of the environment: the most that all files may have; 0: keep none
MOST_BYTES = 10 * 2**30  # without it

_FOLDER, _SUFFIX = "decoded", ".pixels"
_CHECKSUM_BYTES = 4
_RECENT_SECONDS = 2.0  # younger files may change again without another time
_LIBRARIES = ("pil", "jpg", "libjpeg_turbo", "webp", "libtiff", "zlib")  # whose versions may change pixels

logger = logging.getLogger(__name__)
Pixels = NDArray[np.uint8]


class Records:
    """Records of one file, for several threads. shape: of a picture's pixels"""

    def __init__(self, descriptor: int, shape: tuple[int, ...]) -> None:
        self._descriptor, self._shape = descriptor, shape
        self._bytes = _CHECKSUM_BYTES + int(np.prod(shape))
        self._is_writable = True

    def read(self, row: int) -> Pixels | None:
        """The pixels of a picture; None if they are not kept."""
        try:
            record = os.pread(self._descriptor, self._bytes, row * self._bytes)
        except OSError:
            return None
        content = record[_CHECKSUM_BYTES:]
        if len(record) < self._bytes or _checksum(content) != record[:_CHECKSUM_BYTES]:
            return None
        return np.frombuffer(content, np.uint8).reshape(self._shape)

    def write(self, row: int, pixels: Pixels) -> None:
        """Keep the pixels of a picture, unless an earlier attempt has failed, as on a full disk."""
        if not self._is_writable:
            return
        content = pixels.tobytes()
        try:
            written = os.pwrite(self._descriptor, _checksum(content) + content, row * self._bytes)
            why = "" if written == self._bytes else "the disk is full"
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            self._is_writable = False
            _warn(why)


@contextmanager
def open_records(paths: Sequence[Path], source: Source, size: int) -> Iterator[Records | None]:
    """The records of these pictures at `size` pixels a side; None where none can be kept.

    Raises InvalidConfig for a limit that is not a number.
    """
    shape = (size, size, 3)
    needed = len(paths) * (_CHECKSUM_BYTES + int(np.prod(shape)))
    limit, folder, descriptor = _read_limit(), cache_folder(source) / _FOLDER, None
    try:
        name = _name(paths, source, size) if needed <= limit else None
        if name is not None:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = _open(folder / name, needed, limit)
    except OSError as error:
        _warn(f"{folder}: {error.strerror}")
    try:
        yield None if descriptor is None else Records(descriptor, shape)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _read_limit() -> int:
    text = os.environ.get(VARIABLE, str(MOST_BYTES))
    if not text.isdecimal():
        raise InvalidConfig(f"{VARIABLE}={text} is not a number of bytes; give one like {MOST_BYTES}, or 0")
    return int(text)


def _name(paths: Sequence[Path], source: Source, size: int) -> str | None:
    """The name of the file for these pictures; None if one has changed just now, or is not there."""
    versions = [features.version(library) for library in _LIBRARIES]
    digest = hashlib.sha256(repr((source.rules, source.fitting, size, versions)).encode())
    newest = time.time() - _RECENT_SECONDS
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            return None
        if status.st_ctime > newest:
            return None
        times = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(b"%b\0%d\0%d\0%d\0%d\n" % (os.fsencode(path), *times))
    return digest.hexdigest() + _SUFFIX


def _open(path: Path, size: int, limit: int) -> int | None:
    """A descriptor of the file, which is now the last used one; None if there is no room for it."""
    if not path.exists() and not _make_room(path.parent, size, limit):
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)  # without taking room for records that are missing
        os.utime(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _make_room(folder: Path, size: int, limit: int) -> bool:
    """Remove the files that were not used for longest, until one of this size fits in.

    False if it would take more than half of the disk's free space.
    """
    found = sorted((status.st_mtime, status.st_size, path) for path, status in _list_files(folder))
    total = sum(held for _, held, _ in found)
    for _, held, path in found:
        if total + size <= limit:
            break
        path.unlink(missing_ok=True)
        total -= held
    return size <= shutil.disk_usage(folder).free / 2


def _list_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            yield path, path.stat()
        except FileNotFoundError:  # another trial has removed it
            continue


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def _warn(why: str) -> None:
    logger.warning("decoded pictures are not kept, so each trial decodes its own: %s", why)
