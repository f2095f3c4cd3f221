"""Trains one configuration once: a program (`python -P -m trainer`), which nothing of this project imports.

`load_model` reads a network that it has trained.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.preprocess import Preprocess
    from trainer.trained_network import TrainedNetwork


def load_model(
    folder: str | os.PathLike[str], *, views: bool = True, trust_code: bool = False
) -> "tuple[TrainedNetwork, Preprocess]":
    """The network in a folder, on the CPU in evaluation mode, and the function that makes its input.

    `model.predict(torch.stack([preprocess("image.jpg")]))` is a row of probabilities, in the order of
    `model.classes`; `model(...)` gives logits. `preprocess` takes a path or a Pillow image and returns uint8
    [3, R, R].
    views: with the recipe's test-time views, if it has any, as the reported accuracy was measured
    trust_code: run `network.py` in the folder, for a network of the user's own
    Raises trainer.errors.InvalidModel for files that are missing, damaged or of another version.
    """
    from trainer import saved_model  # imports torch

    found = saved_model.load(Path(folder).expanduser(), views=views, trust_code=trust_code)
    return found.network, found.preprocess
