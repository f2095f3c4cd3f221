"""Labels and images held against what training needs, with messages that say which array is wrong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import Refused


def images(array: NDArray[Any], name: str, where: str) -> NDArray[np.uint8]:
    """The array, if it is uint8 [N, H, W, 3] with at least one image. Raises Refused."""
    check_images(array.dtype, array.shape, name, where)
    return array


def check_images(dtype: np.dtype[Any], shape: tuple[int, ...], name: str, where: str) -> None:
    """Raises Refused unless these are uint8 images [N, H, W, 3]."""
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
        raise Refused(f"{name} of {where} must be uint8 [N, H, W, 3], not {dtype} {list(shape)}")


def labels(array: NDArray[Any], count: int, classes: int | None, name: str, where: str) -> NDArray[np.int64]:
    """The array as int64 [count], if its labels are 0..classes-1.

    classes None: every class from 0 to the largest must appear (a training set).
    Raises Refused.
    """
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        raise Refused(f"{name} of {where} must be int64 [N], not {array.dtype} {list(array.shape)}")
    if len(array) != count:
        raise Refused(f"{name} of {where} has {len(array)} labels for {count} images; give one an image")
    if array.min() < 0 or (classes is not None and array.max() >= classes):
        top = "" if classes is None else f" to {classes - 1}"
        raise Refused(f"{name} of {where} must be from 0{top}, but reach from {array.min()} to {array.max()}")
    if classes is None:
        _refuse_gaps(array, name, where)
    return array.astype(np.int64)


def _refuse_gaps(array: NDArray[Any], name: str, where: str) -> None:
    present = np.unique(array)
    if len(present) != present[-1] + 1:
        missing = np.setdiff1d(np.arange(min(present[-1], len(array))), present)[:5]
        raise Refused(
            f"{name} of {where} must be 0..k-1 without gaps, but no image has label {missing[0]}; "
            "renumber the classes"
        )
    if len(present) < 2:
        raise Refused(f"{name} of {where} has one class; give at least two")
