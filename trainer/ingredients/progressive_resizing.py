"""Train on smaller images first (Howard 2018; Tan and Le 2021, section 4.2)."""

from dataclasses import dataclass

from trainer.ingredients import Resolution, within

_MULTIPLE = 4  # pixels: few sizes occur, and all can be halved
_FEWEST = 8  # pixels


@dataclass(frozen=True)
class ProgressiveResizing(Resolution):
    """Three sizes in turn: small, half-way, full. Sides are multiples of 4 pixels, at least 8.

    start: the first side as a fraction of the full one
    until: progress from which the images are full; the smaller sizes share the time before it
    """

    start: float = within(0.75, at_least=0.25, at_most=1)
    until: float = within(0.5, at_least=0, below=1)

    def pixels(self, progress: float, full: int) -> int:
        if progress >= self.until:
            return full
        share = self.start if progress < self.until / 2 else (1 + self.start) / 2
        return min(full, max(_FEWEST, round(full * share / _MULTIPLE) * _MULTIPLE))
