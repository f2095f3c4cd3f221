"""10 classes of coloured digits, 16x16, without a download.

Made from the 1,797 handwritten digits that scikit-learn contains (Alpaydin and Kaynak 1998), with random
affine maps, colours, background gradients and noise: 5,000 training and 1,000 test images from disjoint
originals, the same on every machine. They are hard enough to tell good networks from bad ones.
"""

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data import About, Images, Source
from trainer.errors import InvalidConfig

NEEDS_PATH = False

SIZE = 16  # pixels a side
CLASSES = 10
TRAIN, TEST = 5000, 1000
VERSION = 1  # increase it when the images change
_TEST_SHARE = 1 / 6  # of the originals of each class

Floats = NDArray[np.float32]


def about(source: Source) -> About:
    class_images = {str(digit): TRAIN // CLASSES for digit in range(CLASSES)}
    return About(CLASSES, source.image_size or SIZE, TRAIN, TEST, class_images=class_images)


def fingerprint(source: Source) -> str:
    """A hash of the originals, with VERSION."""
    originals, _ = _originals()
    digest = hashlib.sha256(originals.tobytes()).hexdigest()[:16]
    return f"digits-{VERSION}-{digest}"


def load(source: Source, test: bool) -> Images:
    """Draw the images. Takes 0.3 s on one core."""
    train_originals, test_originals = split()
    train_images, train_labels = _draw(train_originals, TRAIN, np.random.default_rng([VERSION, 1]))
    tests = _draw(test_originals, TEST, np.random.default_rng([VERSION, 2])) if test else ()
    return Images(CLASSES, False, train_images, train_labels, *tests)


@lru_cache(maxsize=1)
def _originals() -> tuple[Floats, NDArray[np.int64]]:
    """Images [1797, 8, 8] in 0..1 and labels [1797], from scikit-learn's folder: importing it is slow."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise InvalidConfig("dataset digits needs scikit-learn; run: pip install scikit-learn")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    except (OSError, ValueError) as error:
        what = f"cannot read the digits of scikit-learn: {error}"
        raise InvalidConfig(f"{what}; install scikit-learn again") from error
    return (table[:, :64].reshape(-1, 8, 8) / 16).astype(np.float32), table[:, 64]


def split() -> tuple[list[Floats], list[Floats]]:
    """The originals of each class, for training and for testing."""
    images, labels = _originals()
    rng = np.random.default_rng([VERSION, 0])
    train, test = [], []
    for digit in range(CLASSES):
        shuffled = rng.permutation(images[labels == digit])
        held_out = round(len(shuffled) * _TEST_SHARE)
        test.append(shuffled[:held_out])
        train.append(shuffled[held_out:])
    return train, test


def _draw(
    originals: list[Floats], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `count` coloured images, equally many of each class, in random order."""
    labels = rng.permutation(np.arange(count) % CLASSES)
    ink = np.empty((count, 8, 8), np.float32)
    for digit in range(CLASSES):
        where = np.flatnonzero(labels == digit)
        ink[where] = originals[digit][rng.integers(len(originals[digit]), size=len(where))]
    coloured = _colour(_map_affinely(ink, rng), rng)
    return np.clip(np.rint(coloured * 255), 0, 255).astype(np.uint8), labels.astype(np.int64)


def _map_affinely(ink: Floats, rng: np.random.Generator) -> Floats:
    """Map each of ink [N, 8, 8] by a random affine map, sampled bilinearly at [N, SIZE, SIZE]."""
    count = len(ink)
    angle = rng.uniform(-0.2, 0.2, count)
    stretch = 8 / SIZE / rng.uniform(0.7, 1.0, (2, count))  # pixels of the original per pixel
    slant = rng.uniform(-0.15, 0.15, count)
    shift = rng.uniform(-1, 1, (2, count))
    grid = np.arange(SIZE) - (SIZE - 1) / 2
    across = grid[None, None, :] - shift[0][:, None, None]
    down = grid[None, :, None] - shift[1][:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    column = stretch[0][:, None, None] * (cos * across + sin * down + slant[:, None, None] * down) + 3.5
    row = stretch[1][:, None, None] * (cos * down - sin * across) + 3.5
    return _sample_bilinearly(ink, row.astype(np.float32), column.astype(np.float32))


def _sample_bilinearly(ink: Floats, row: Floats, column: Floats) -> Floats:
    """Sample ink [N, 8, 8] at fractional rows and columns [N, SIZE, SIZE]; 0 outside."""
    padded = np.pad(ink, ((0, 0), (1, 2), (1, 2)))
    row, column = np.clip(row + 1, 0, 9), np.clip(column + 1, 0, 9)
    top, left = row.astype(np.int64), column.astype(np.int64)
    down, right = row - top, column - left
    flat = padded.reshape(-1)
    corner = np.arange(len(ink))[:, None, None] * padded[0].size + top * padded.shape[2] + left
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    below = corner + padded.shape[2]
    lower = flat[below] * (1 - right) + flat[below + 1] * right
    mapped: Floats = upper * (1 - down) + lower * down
    return mapped


def _colour(ink: Floats, rng: np.random.Generator) -> Floats:
    """Colour ink [N, S, S], on a gradient between two other colours, with noise: [N, S, S, 3]."""
    count = len(ink)
    direction = rng.uniform(0, 2 * np.pi, count)
    grid = np.linspace(-0.5, 0.5, SIZE)
    ramp = (
        np.cos(direction)[:, None, None] * grid[None, None, :]
        + np.sin(direction)[:, None, None] * grid[None, :, None]
    )
    paper, slope = rng.uniform(0.15, 0.85, (count, 1, 1, 3)), rng.uniform(-0.2, 0.2, (count, 1, 1, 3))
    background = paper + slope * ramp[..., None]
    brighter = np.where(background.mean((1, 2, 3), keepdims=True) < 0.5, 1.0, -1.0)
    contrast = brighter * rng.uniform(0.55, 0.9, (count, 1, 1, 3))
    noise = 0.05 * rng.standard_normal((count, SIZE, SIZE, 3), np.float32)
    coloured: Floats = (background + contrast * ink[..., None] + noise).astype(np.float32)
    return coloured
