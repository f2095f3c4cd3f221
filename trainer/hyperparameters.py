"""What a configuration may settle of the optimizer and the batch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hyperparameters:
    """None: the recipe's own."""

    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
