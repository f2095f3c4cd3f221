"""Labels and images held against what training needs, with messages that say which array is wrong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data import BACKGROUND, Fit
from trainer.errors import InvalidConfig


def check_images(dtype: np.dtype[Any], shape: tuple[int, ...], name: str, where: str) -> None:
    """Raises Refused unless these are uint8 images [N, H, W, 3]."""
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or min(shape) < 1:
        raise InvalidConfig(f"{name} of {where} must be uint8 [N, H, W, 3], not {dtype} {list(shape)}")


def labels(array: NDArray[Any], count: int, classes: int | None, name: str, where: str) -> NDArray[np.int64]:
    """The array as int64 [count], if its labels are 0..classes-1.

    classes None: every class from 0 to the largest must appear (a training set).
    Raises Refused.
    """
    check_labels(array.dtype, array.shape, count, name, where)
    if array.min() < 0 or (classes is not None and array.max() >= classes):
        top = "" if classes is None else f" to {classes - 1}"
        raise InvalidConfig(
            f"{name} of {where} must be from 0{top}, but reach from {array.min()} to {array.max()}"
        )
    if classes is None:
        _refuse_gaps(array, name, where)
    return array.astype(np.int64)


def check_labels(dtype: np.dtype[Any], shape: tuple[int, ...], count: int, name: str, where: str) -> None:
    """Raises Refused unless these are whole numbers, one an image."""
    if not np.issubdtype(dtype, np.integer) or len(shape) != 1:
        raise InvalidConfig(f"{name} of {where} must be int64 [N], not {dtype} {list(shape)}")
    if shape[0] != count:
        raise InvalidConfig(f"{name} of {where} has {shape[0]} labels for {count} images; give one an image")


def squared(images: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """[N, H, W, 3] to [N, S, S, 3]; as they are where `fit` is to squash them, for that is resizing."""
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


def _refuse_gaps(array: NDArray[Any], name: str, where: str) -> None:
    present = np.unique(array)
    if len(present) != present[-1] + 1:
        missing = np.setdiff1d(np.arange(min(present[-1], len(array))), present)[:5]
        raise InvalidConfig(
            f"{name} of {where} must be 0..k-1 without gaps, but no image has label {missing[0]}; "
            "renumber the classes"
        )
    if len(present) < 2:
        raise InvalidConfig(f"{name} of {where} has one class; give at least two")
