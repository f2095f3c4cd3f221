"""Compare a network's accuracy with chance: with always answering the most frequent class.

The test is the exact binomial one, one-sided. A network that it does not tell from chance has learnt nothing
that its validation images can show, so a smaller one would be "as accurate" for no reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

LEVEL = 0.05
EVENT = "baseline_at_chance"  # in the results database, with `Chance.to_json`
ADVICE = (
    "give a longer --budget, a smaller network (--base-width) or another --learning-rate under another "
    "--study, or --force to search anyway"
)


@dataclass(frozen=True)
class Chance:
    """The accuracy of one or several trainings of a network, and how likely chance is to reach it.

    accuracy: a fraction of the `images`, all validation images together
    most_frequent: the accuracy of always answering the most frequent class, a fraction
    p: P(X >= right answers), X binomial with `images` and `most_frequent`
    """

    accuracy: float
    images: int
    most_frequent: float
    p: float

    @property
    def is_reached(self) -> bool:
        """Whether the network is at chance."""
        return self.p > LEVEL

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self, network: str) -> str:
        """Return a sentence without a full stop."""
        return (
            f"{network} is at chance: accuracy {self.accuracy:.1%} on {self.images:,} validation images, "
            f"where always answering the most frequent class has {self.most_frequent:.1%} (p = {self.p:.2f})"
        )


def compare_with_chance(trainings: Iterable[tuple[float, int, float]]) -> Chance:
    """Return the test of trainings of one network, all their answers together.

    trainings: accuracy, validation images and fraction of them in their most frequent class, of each
    """
    from scipy.special import bdtrc  # not at start-up, as in posterior.py

    told = list(trainings)
    images = sum(count for _, count, _ in told)
    right = sum(round(accuracy * count) for accuracy, count, _ in told)
    most_frequent = sum(share * count for _, count, share in told) / images
    return Chance(right / images, images, most_frequent, float(bdtrc(right - 1, images, most_frequent)))


def read_chance(events: Iterable[Mapping[str, Any]]) -> Chance | None:
    """Return what a study's events say of its base network, if it was at chance."""
    found = [event["detail"] for event in events if event["kind"] == EVENT]
    return Chance(**found[-1]) if found else None
