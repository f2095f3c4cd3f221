"""`npz:PATH`: train_images uint8 [N, H, W, 3], train_labels int64 [N], and test_* likewise, in one file.

`about` reads array headers and labels only; pickled arrays are never read.
"""

import hashlib
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
from trainer.errors import Refused

NEEDS_PATH = True


def about(source: Source) -> About:
    """Sizes from the headers, and the file's SHA-256. Raises Refused."""
    path = _path(source)
    with _readable(path) as archive:
        count, height, width, _ = _image_shape(archive, "train_images", path)
        labels = _arrays.labels(_array(archive, "train_labels", path), count, None, "train_labels", str(path))
        has_test = "test_images.npy" in archive.namelist()
        test_images = _image_shape(archive, "test_images", path)[0] if has_test else 0
        if source.image_size is None and height != width:
            raise Refused(f"images of {path} are {height}x{width}; give image_size to make them square")
    status = path.stat()
    return About(
        classes=int(labels.max()) + 1,
        image_size=source.image_size or height,
        train_images=count,
        test_images=test_images,
        fingerprint=_sha256(path, status.st_size, status.st_mtime_ns),
    )


def load(source: Source, test: bool) -> Images:
    """The arrays in memory. Raises Refused."""
    path = _path(source)
    with _readable(path) as archive:
        train_images, train_labels = _pair(archive, "train", None, path)
        classes = int(train_labels.max()) + 1
        if not test:
            return Images(classes, True, train_images, train_labels)
        return Images(classes, True, train_images, train_labels, *_pair(archive, "test", classes, path))


def _path(source: Source) -> Path:
    if source.path is None or not source.path.is_file():
        raise Refused(f"no file {source.path}; give dataset npz:PATH with the path of an .npz file")
    return source.path


@contextmanager
def _readable(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise Refused(f"cannot read {path} as .npz: {error}; write it again with numpy.savez") from error


def _pair(
    archive: zipfile.ZipFile, part: str, classes: int | None, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = _arrays.images(_array(archive, f"{part}_images", path), f"{part}_images", str(path))
    name = f"{part}_labels"
    return images, _arrays.labels(_array(archive, name, path), len(images), classes, name, str(path))


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    with _member(archive, name, path) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read()  # to the end, where the archive's checksum is held against what was read
        return array


def _image_shape(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[int, ...]:
    with _member(archive, name, path) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise Refused(f"{name} of {path} is in .npy version {version}; write it again with numpy.savez")
        shape, _, dtype = read_header(stream)
    _arrays.check_images(dtype, shape, name, str(path))
    return shape


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        held = ", ".join(sorted(n.removesuffix(".npy") for n in archive.namelist())) or "none"
        raise Refused(f"{path} lacks the array {name}; it has: {held}")
    return archive.open(f"{name}.npy")


@lru_cache(maxsize=16)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Of the file; size and time stand in the arguments so that another file is read again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
