"""`npz:PATH`: train_images uint8 [N, H, W, 3], train_labels int64 [N], and test_* likewise, in one file.

A file of a few MB may unpack to many GB, or say that it does. So all headers are
held against each other and against the sizes in the archive before anything is
unpacked; `about` unpacks the training labels alone. Pickled arrays are never read.
"""

import hashlib
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trainer.data import About, Images, Source, _arrays
from trainer.errors import InvalidConfig

NEEDS_PATH = True

# RuntimeError: encrypted, or a header that is nested too deeply
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)


def about(source: Source) -> About:
    """Sizes, from the headers and the training labels. Raises Refused."""
    path = _path(source)
    with _readable(path) as archive:
        shapes = _shapes(archive, path)
        labels = _labels(archive, "train", shapes["train"][0], None, path)
    height, width = shapes["train"][1:3]
    is_square = all(shape[1] == shape[2] for shape in shapes.values())
    if source.image_size is None and height != width:
        raise InvalidConfig(
            f"images of {path} are {height}x{width}; give image_size, the pixels a side to make squares of"
        )
    return About(
        classes=int(labels.max()) + 1,
        image_size=source.image_size or height,
        train_images=shapes["train"][0],
        test_images=shapes["test"][0] if "test" in shapes else 0,
        fit=None if is_square else source.fitting,
    )


def fingerprint(source: Source) -> str:
    """The file's SHA-256. Raises Refused."""
    path = _path(source)
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise _unreadable(path, error) from error


def load(source: Source, test: bool) -> Images:
    """The arrays in memory, their images made squares. Raises Refused."""
    path = _path(source)
    with _readable(path) as archive:
        shapes = _shapes(archive, path)
        if test and "test" not in shapes:
            raise _lacking(archive, "test_images", path)
        labels = _labels(archive, "train", shapes["train"][0], None, path)
        classes = int(labels.max()) + 1
        train = _images(archive, "train", source, path), labels
        if not test:
            return Images(classes, True, *train)
        labels = _labels(archive, "test", shapes["test"][0], classes, path)
        return Images(classes, True, *train, _images(archive, "test", source, path), labels)


def _path(source: Source) -> Path:
    if source.path is None or not source.path.is_file():
        raise InvalidConfig(f"no file {source.path}; give dataset npz:PATH with the path of an .npz file")
    return source.path


@contextmanager
def _readable(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InvalidConfig:
    return InvalidConfig(f"cannot read {path} as .npz: {error}; write it again with numpy.savez")


def _shapes(archive: zipfile.ZipFile, path: Path) -> dict[str, tuple[int, ...]]:
    """Of the images, by part. Raises Refused unless all headers fit each other and the archive."""
    shapes = {}
    for part in ("train", "test"):
        if part == "test" and "test_images.npy" not in archive.namelist():
            continue
        dtype, shape = _header(archive, f"{part}_images", path)
        _arrays.check_images(dtype, shape, f"{part}_images", str(path))
        labels = _header(archive, f"{part}_labels", path)
        _arrays.check_labels(*labels, shape[0], f"{part}_labels", str(path))
        shapes[part] = shape
    return shapes


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array. Raises Refused where the archive holds another number of bytes."""
    with _member(archive, name, path) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise InvalidConfig(
                f"{name} of {path} is in .npy version {version}; write it again with numpy.savez"
            )
        shape, _, dtype = read_header(stream)
        held = archive.getinfo(f"{name}.npy").file_size - stream.tell()
    if held != math.prod(shape) * dtype.itemsize and not dtype.hasobject:  # pickled, it is refused for that
        raise InvalidConfig(
            f"{name} of {path} holds {held} bytes for {list(shape)} {dtype}; write the file again"
        )
    return dtype, shape


def _images(archive: zipfile.ZipFile, part: str, source: Source, path: Path) -> NDArray[np.uint8]:
    return _arrays.squared(_array(archive, f"{part}_images", path), source.fitting)


def _labels(
    archive: zipfile.ZipFile, part: str, count: int, classes: int | None, path: Path
) -> NDArray[np.int64]:
    name = f"{part}_labels"
    return _arrays.labels(_array(archive, name, path), count, classes, name, str(path))


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    with _member(archive, name, path) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read()  # to the end, where the archive's checksum is held against what was read
        return array


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        raise _lacking(archive, name, path)
    return archive.open(f"{name}.npy")


def _lacking(archive: zipfile.ZipFile, name: str, path: Path) -> InvalidConfig:
    held = ", ".join(sorted(n.removesuffix(".npy") for n in archive.namelist())) or "none"
    return InvalidConfig(f"{path} lacks the array {name}; it has: {held}")


@lru_cache(maxsize=16)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Of the file; size and time stand in the arguments so that another file is read again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
