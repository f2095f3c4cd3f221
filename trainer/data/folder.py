"""`folder:PATH`: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png (or jpg, bmp, webp), resized to squares.

The classes are the folders' names in alphabetical order. `test` may be absent.
Images are decoded once, at `image_size` (32 where it is not given).
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.data import About, Images, Source
from trainer.errors import Refused

NEEDS_PATH = True

_SIZE = 32  # pixels a side, where image_size is not given
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
_THREADS = 8  # decoding lets go of the interpreter's lock


def about(source: Source) -> About:
    """Numbers of files, and a hash of their names, sizes and times. Raises Refused."""
    classes = _classes(_root(source) / "train")
    train, test = _files(source, "train", classes), _files(source, "test", classes)
    return About(
        classes=len(classes),
        image_size=source.image_size or _SIZE,
        train_images=len(train),
        test_images=len(test),
        fingerprint=_fingerprint(_root(source), [path for path, _ in (*train, *test)]),
    )


def load(source: Source, test: bool) -> Images:
    """Decode the images. Raises Refused, and names the file that cannot be read."""
    classes = _classes(_root(source) / "train")
    size = source.image_size or _SIZE
    train = _decoded(_files(source, "train", classes), size)
    if not test:
        return Images(len(classes), True, *train)
    held = _files(source, "test", classes)
    if not held:
        raise Refused(f"{source.path} has no test images; place them in {source.path}/test or leave test out")
    return Images(len(classes), True, *train, *_decoded(held, size))


def _root(source: Source) -> Path:
    if source.path is None or not (source.path / "train").is_dir():
        raise Refused(f"no folder {source.path}/train; give dataset folder:PATH with train/CLASS/*.png in it")
    return source.path


def _classes(train: Path) -> list[str]:
    """Names of the classes, each of which has an image. Raises Refused below two."""
    classes = sorted(entry.name for entry in train.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if len(classes) < 2:
        raise Refused(f"{train} has {len(classes)} class folders; give at least two, with images in them")
    return classes


def _files(source: Source, part: str, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """Image files and their labels, in order of their names. Empty where there is no such part."""
    folder = _root(source) / part
    if not folder.is_dir():
        return []
    strangers = {entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."}
    if not strangers <= set(classes):
        unknown = sorted(strangers - set(classes))[0]
        raise Refused(f"{folder / unknown} is a class that train lacks; remove it or add training images")
    found = []
    for label, name in enumerate(classes):
        paths = sorted(p for p in folder.glob(f"{name}/*") if p.suffix.lower() in _SUFFIXES)
        if not paths and part == "train":
            raise Refused(
                f"{folder / name} has no images ({', '.join(sorted(_SUFFIXES))}); add some or remove it"
            )
        found += [(path, label) for path in paths]
    return found


def _fingerprint(root: Path, paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _decoded(files: Sequence[tuple[Path, int]], size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """uint8 [N, size, size, 3] and labels [N]."""
    with ThreadPoolExecutor(_THREADS) as pool:
        images = np.stack(list(pool.map(lambda file: _image(file[0], size), files)))
    return images, np.array([label for _, label in files], np.int64)


def _image(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            square = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(f"cannot read the image {path}: {error}; replace or remove it") from error
    return np.asarray(square)
