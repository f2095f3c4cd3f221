"""Unpack a zip or tar file of images into the cache, once for all trainings.

Trainings read single images, which a compressed tar file does not allow. Only regular files are written, and
only below the new folder. A small archive may unpack to any size, so all files together are limited. A
process locks the folder that it reads, so that others remove only what nobody reads.
"""

import bz2
import fcntl
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from trainer.data import Source, cache_folder
from trainer.data._once import UNFINISHED, lock_file, make_once, remove
from trainer.errors import InvalidConfig

VARIABLE = "NAS_UNPACKED_BYTES"  # of the environment: the most that one archive may unpack to
MOST_BYTES = 100 * 2**30  # without it

_UNUSED_SECONDS = 30 * 24 * 3600.0  # after which a folder is removed
_BLOCK = 4096  # bytes that even an empty file takes
_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}  # by a file's first bytes
_END_OF_TAR = bytes(1024)
_DAMAGE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError),
    RuntimeError,  # what zipfile raises where an archive is encrypted, or compressed in another way
)

Files = Generator[tuple[str, int, IO[bytes]], None, None]

_read_here: dict[Path, int] = {}  # the locks of folders that this process reads, until it ends


def unpack(path: Path, source: Source) -> Path:
    """The folder of the cache in which an archive is unpacked, now or before. Raises InvalidConfig.

    An archive of another size, inode or time is unpacked anew: its time of change (ctime) cannot be set by
    programs. Then folders that nobody reads are removed: of its older versions, and those unused for 30 days.
    """
    folder = cache_folder(source) / "unpacked"
    try:
        status = path.stat()
        state = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        own = _hash(os.path.abspath(path))
        made = folder / f"{own}{_hash(repr(state))}-{path.name}"

        def write(unfinished: Path) -> None:
            _remove_unread(folder, own)
            _write(path, unfinished)

        _make_and_hold(made, write)
        with suppress(OSError):  # of a cache that can only be read
            os.utime(made)
    except _DAMAGE as error:
        raise InvalidConfig(
            f"cannot unpack {path} into {folder} ({error}); give a zip or tar file that can be read, or the "
            "folder that you unpacked it to"
        ) from error
    return made


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def _make_and_hold(made: Path, write: Callable[[Path], None]) -> None:
    """Make a folder unless it is there, and lock it for as long as this process lives."""
    if made in _read_here:
        os.close(_read_here.pop(made))  # or this process would wait for itself if the folder is gone
    while made not in _read_here:
        make_once(made, write)
        lock = os.open(lock_file(made), os.O_RDONLY | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if made.exists():
            _read_here[made] = lock
        else:  # another process has removed it meanwhile
            os.close(lock)


def _remove_unread(folder: Path, own: str) -> None:
    """Remove folders that nobody reads: those whose names begin with `own`, and those unused for long."""
    since = time.time() - _UNUSED_SECONDS
    for old in [path for path in folder.iterdir() if path.is_dir()]:
        made = old.with_name(old.name.removesuffix(UNFINISHED))
        with suppress(OSError), lock_file(made).open("w") as lock:  # it is read, or another user's
            if old.name.startswith(own) or old.stat().st_mtime < since:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unfinished = made.with_name(f"{made.name}{UNFINISHED}")
                remove(unfinished)
                if made.exists():
                    made.replace(unfinished)  # a kill must not leave a part of it under its name
                    remove(unfinished)


def _write(path: Path, folder: Path) -> None:
    """Write the files of an archive below a new folder. Raises InvalidConfig and what the libraries raise."""
    folder.mkdir()
    limit, total = _read_limit(folder), 0
    with closing(_open_files(path)) as files:
        for name, size, stream in files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise InvalidConfig(f"{path} has a file {name!r:.80}, outside of its folder; pack it again")
            total += max(size, _BLOCK)
            if total > limit:
                raise InvalidConfig(
                    f"{path} unpacks to more than {limit:,} bytes, the lesser of {VARIABLE} and half of what "
                    f"is free on the disk of {folder.parent}; allow more, or give the folder unpacked by you"
                )
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(stream, file)


def _read_limit(folder: Path) -> int:
    text = os.environ.get(VARIABLE, str(MOST_BYTES))
    if not text.isdecimal():
        raise InvalidConfig(f"{VARIABLE}={text} is not a number of bytes; give one like {MOST_BYTES}")
    return min(int(text), shutil.disk_usage(folder).free // 2)


def _open_files(path: Path) -> Files:
    """Name, size and content of each file in an archive, to be read before the next one."""
    with path.open("rb") as file:
        start = file.read(max(map(len, _OPENERS)))
        if start.startswith(b"PK"):
            return _open_zipped(path)
        opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
        if opener is None:
            file.seek(max(0, path.stat().st_size - len(_END_OF_TAR)))
            if file.read() != _END_OF_TAR:
                raise tarfile.ReadError("it is neither a zip nor a tar file, or cut off")
    return _open_tarred(path, opener or open)


def _open_zipped(path: Path) -> Files:
    try:
        archive = zipfile.ZipFile(path, metadata_encoding="utf-8")  # macOS writes that without saying so
    except UnicodeDecodeError:
        archive = zipfile.ZipFile(path)
    with archive:
        for member in archive.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _link(path, member.filename)
            if not member.is_dir():
                with archive.open(member) as stream:
                    yield member.filename, member.file_size, stream


def _open_tarred(path: Path, opener: Callable[..., IO[bytes]]) -> Files:
    # a stream ("r|") is never read twice; tarfile's own decompression of streams does not see that one is cut
    with opener(path, "rb") as content, tarfile.open(fileobj=content, mode="r|") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield member.name, member.size, stream
            elif not member.isdir():
                raise _link(path, member.name)


def _link(path: Path, name: str) -> InvalidConfig:
    return InvalidConfig(
        f"{path} has {name!r:.80}, which is a link or a device and not a file; pack the file itself"
    )
