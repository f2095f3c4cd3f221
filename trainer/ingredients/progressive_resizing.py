"""Training begun on smaller images, whose steps are cheaper."""

from dataclasses import dataclass

from trainer.ingredients import Resolution

_MULTIPLE = 4  # of pixels, so that few sizes occur and all halve
_FEWEST = 8  # pixels


@dataclass(frozen=True)
class ProgressiveResizing(Resolution):
    """Train on smaller images first: small, half-way, full (Howard 2018; Tan and Le 2021, section 4.2).

    start: the first side's share of the full one, in [0.25, 1]. until: the progress from
    which the images are full, in [0, 1); the smaller sizes share the time before it.
    Sides are multiples of 4 pixels, at least 8.
    """

    start: float = 0.75
    until: float = 0.5

    def __post_init__(self) -> None:
        if not 0.25 <= self.start <= 1:
            raise ValueError(f"start must be from 0.25 to 1, not {self.start}")
        if not 0 <= self.until < 1:
            raise ValueError(f"until must be at least 0 and below 1, not {self.until}")

    def pixels(self, progress: float, full: int) -> int:
        if progress >= self.until:
            return full
        first = progress < self.until / 2
        share = self.start if first else (1 + self.start) / 2
        multiple = round(full * share / _MULTIPLE) * _MULTIPLE
        return min(full, max(_FEWEST, multiple))
