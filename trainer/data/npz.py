"""`npz:PATH`: train_images uint8 [N, H, W, 3], train_labels int64 [N], and test_* likewise, in one file.

Grey images may be [N, H, W] or [N, H, W, 1]: each of the three channels is then the grey, as of grey image
files. `class_names`, texts [classes], may be there.

A file of a few MB may unpack to many GB, or claim to. So all headers are compared with each other and with
the sizes in the archive before anything is unpacked; `about` unpacks only the training labels. Pickled arrays
are never read.
"""

import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trainer.data import BACKGROUND, About, Fit, Images, Source, hash_file
from trainer.errors import InvalidConfig

NEEDS_PATH = True

# RuntimeError: encrypted, or a header that is nested too deeply
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)


def about(source: Source) -> About:
    """Sizes, from the headers and the training labels. Raises InvalidConfig."""
    path = _find(source)
    with _open(path) as archive:
        shapes = _check_headers(archive, path)
        labels = _read_labels(archive, "train", None, path)
        names = _read_names(archive, int(labels.max()) + 1, path)
    height, width = shapes["train"][1:3]
    is_square = all(shape[1] == shape[2] for shape in shapes.values())
    sizes = np.bincount(labels).tolist()
    if source.image_size is None and height != width:
        raise InvalidConfig(f"images of {path} are {height}x{width}; give image_size, in pixels")
    return About(
        classes=int(labels.max()) + 1,
        image_size=source.image_size or height,
        train_images=shapes["train"][0],
        test_images=shapes["test"][0] if "test" in shapes else 0,
        fit=None if is_square else source.fitting,
        class_images=dict(zip(names or map(str, range(len(sizes))), sizes, strict=True)),
    )


def fingerprint(source: Source) -> str:
    """The file's SHA-256. Raises InvalidConfig."""
    path = _find(source)
    try:
        return hash_file(path)[1].hex()
    except OSError as error:
        raise _unreadable(path, error) from error


def load(source: Source, test: bool) -> Images:
    """The arrays in memory, their images cropped or padded to squares. Raises InvalidConfig."""
    path = _find(source)
    with _open(path) as archive:
        shapes = _check_headers(archive, path)
        if test and "test" not in shapes:
            raise _lacking(archive, "test_images", path)
        labels = _read_labels(archive, "train", None, path)
        classes = int(labels.max()) + 1
        names = _read_names(archive, classes, path)
        arrays: list[Any] = [make_squares(_read_images(archive, "train", path), source.fitting), labels]
        if test:
            labels = _read_labels(archive, "test", classes, path)
            arrays += [make_squares(_read_images(archive, "test", path), source.fitting), labels]
        return replace(Images(classes, True, *arrays), names=names)


def _find(source: Source) -> Path:
    if source.path is None or not source.path.is_file():
        raise InvalidConfig(f"no file {source.path}; give dataset npz:PATH with the path of an .npz file")
    return source.path


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InvalidConfig:
    return InvalidConfig(f"cannot read {path} as .npz: {error}; write it again with numpy.savez")


def _check_headers(archive: zipfile.ZipFile, path: Path) -> dict[str, tuple[int, ...]]:
    """The images' shape by part. Raises InvalidConfig unless all headers fit each other and the archive."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in ("train", "test"):
        if part == "test" and "test_images.npy" not in archive.namelist():
            continue
        name = f"{part}_images"
        dtype, shape = _read_header(archive, name, path)
        is_grey = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
        if dtype != np.uint8 or not (is_grey or (len(shape) == 4 and shape[3] == 3)) or min(shape) < 1:
            raise InvalidConfig(
                f"{name} of {path} must be uint8 [N, H, W, 3], or [N, H, W] of grey, not {dtype} "
                f"{list(shape)}; networks take three channels: choose three, and scale values to 0..255"
            )
        shapes[part], count, name = shape, shape[0], f"{part}_labels"
        dtype, shape = _read_header(archive, name, path)
        if not np.issubdtype(dtype, np.integer) or len(shape) != 1:
            raise InvalidConfig(f"{name} of {path} must be int64 [N], not {dtype} {list(shape)}")
        if shape[0] != count:
            held = f"{name} of {path} has {shape[0]} labels for {count} images"
            raise InvalidConfig(f"{held}; give one per image")
    return shapes


def _read_header(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of an array. Raises InvalidConfig if the archive has another number of bytes."""
    with _open_member(archive, name, path) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise InvalidConfig(
                f"{name} of {path} has .npy version {version}; write it again with numpy.savez"
            )
        shape, _, dtype = read_header(stream)
        size = archive.getinfo(f"{name}.npy").file_size - stream.tell()
    if size != math.prod(shape) * dtype.itemsize and not dtype.hasobject:  # pickled: refused for that later
        raise InvalidConfig(f"{name} of {path} has {size} bytes for {list(shape)} {dtype}; write it again")
    return dtype, shape


def _read_labels(archive: zipfile.ZipFile, part: str, classes: int | None, path: Path) -> NDArray[np.int64]:
    """int64 [N], in 0..classes-1. None: of a training set, where every class up to the largest occurs."""
    name = f"{part}_labels"
    labels = _read_array(archive, name, path)
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        top = "" if classes is None else f" to {classes - 1}"
        raise InvalidConfig(
            f"{name} of {path} must be from 0{top}, but reach from {labels.min()} to {labels.max()}"
        )
    if classes is None:
        present = np.unique(labels)
        if len(present) != present[-1] + 1:
            missing = np.setdiff1d(np.arange(min(present[-1], len(labels))), present)[0]
            raise InvalidConfig(
                f"{name} of {path} must be 0..k-1 without gaps, but no image has label {missing}; "
                "renumber the classes"
            )
        if len(present) < 2:
            raise InvalidConfig(f"{name} of {path} has one class; give at least two")
    return labels.astype(np.int64)


def _read_names(archive: zipfile.ZipFile, classes: int, path: Path) -> tuple[str, ...]:
    """The names of the classes; none if the file does not have them."""
    if "class_names.npy" not in archive.namelist():
        return ()
    dtype, shape = _read_header(archive, "class_names", path)
    if dtype.kind != "U" or shape != (classes,):
        raise InvalidConfig(f"class_names of {path} must be {classes} texts, not {dtype} {list(shape)}")
    names = tuple(map(str, _read_array(archive, "class_names", path)))
    if len(set(names)) < classes:
        raise InvalidConfig(f"class_names of {path} has a name twice; give each class a name of its own")
    return names


def _read_images(archive: zipfile.ZipFile, part: str, path: Path) -> NDArray[np.uint8]:
    """uint8 [N, H, W, 3]"""
    images: NDArray[np.uint8] = _read_array(archive, f"{part}_images", path)
    is_grey = images.ndim == 3 or images.shape[3] == 1
    return np.repeat(images.reshape(*images.shape[:3], 1), 3, axis=3) if is_grey else images


def make_squares(images: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """[N, H, W, 3] to [N, S, S, 3]. With `squash` they stay as they are, because resizing squashes them."""
    height, width = images.shape[1:3]
    if fit == "squash" or height == width:
        return images
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return images[:, top : top + side, left : left + side]
    side = max(height, width)
    padded = np.empty((len(images), side, side, 3), np.uint8)
    padded[:] = BACKGROUND
    top, left = (side - height) // 2, (side - width) // 2
    padded[:, top : top + height, left : left + width] = images
    return padded


def _read_array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    with _open_member(archive, name, path) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read()  # to the end, where zipfile compares the checksum
        return array


def _open_member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        raise _lacking(archive, name, path)
    return archive.open(f"{name}.npy")


def _lacking(archive: zipfile.ZipFile, name: str, path: Path) -> InvalidConfig:
    held = ", ".join(sorted(n.removesuffix(".npy") for n in archive.namelist())) or "none"
    return InvalidConfig(f"{path} lacks the array {name}; it has: {held}")
