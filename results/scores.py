"""What a search may seek or require of a network's predictions: one row a score, read by all that names one.

They are shares of validation images or means of such shares, in [0, 1]. A loss is recorded too, but not
sought: the prior of a verdict is that of fractions (docs/confirmation.md). Columns that are named after the
accuracy hold the sought score: `min_accuracy`, `mean_accuracy`, `accuracy_low`. Only `val_accuracy` of trials
and measurements is always the accuracy itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Score:
    """A measure of a network's predictions on the validation images, of which more is better."""

    name: str  # as in `--metric NAME`, and in a study's settings
    noun: str
    head: str  # of a narrow table's column
    fewest_classes: int = 0  # that the data need
    is_own: bool = False  # whether a script of the user's reports it, and not the trainer

    @property
    def field(self) -> str:
        """What a trainer's lines call it, and the column of `trials` that has it whether sought or not."""
        return f"val_{self.name}"

    @property
    def column(self) -> str:
        """The column of `trials` and `measurements` in which a study that seeks this score has it."""
        return "val_accuracy" if self == ACCURACY else "score"

    def reword(self, text: str) -> str:
        """Return a text about accuracy as one about this score."""
        if self == ACCURACY:
            return text
        capital = self.noun[0].upper() + self.noun[1:]
        words = {"accuracy": self.noun, "Accuracy": capital}
        for amount, other in (("more", "better"), ("less", "worse"), ("as", "as good")):
            words[f"{amount} accurate"] = f"{other} in {self.noun}"
        return re.sub("|".join(words), lambda found: words[found[0]], text)


ACCURACY = Score("accuracy", "accuracy", "val acc")
_TABLE = (
    ACCURACY,
    Score("balanced_accuracy", "balanced accuracy", "val bal acc"),
    Score("macro_f1", "macro F1", "val macro F1"),
    Score("top5_accuracy", "top-5 accuracy", "val top-5", fewest_classes=6),
)
SCORES: Mapping[str, Score] = MappingProxyType({score.name: score for score in _TABLE})


def score_of(name: str) -> Score:
    """Return the score of that name: one of the table, or what a script reports under it."""
    noun = name.replace("_", " ")
    return SCORES.get(name) or Score(name, noun, noun, is_own=True)


def sought_score(question: Mapping[str, Any]) -> Score:
    """Return the score that a study seeks and requires, by its settings."""
    return score_of(question.get("metric", ACCURACY.name))


def sought_value(trial: Mapping[str, Any]) -> float | None:
    """Return what a trial that has ended reached of the score that its study seeks; None if it has none."""
    value: float | None = trial["val_accuracy"] if trial["score"] is None else trial["score"]
    return value


def measured_accuracy(validation: float | None, test: float | None) -> tuple[str, float | None]:
    """Return which images a saved model's accuracy and its interval are of, and its mean there.

    They are the test images where they were read, which is after a final training.
    """
    return ("validation", validation) if test is None else ("test", test)


def worst_classes(by_class: Mapping[str, float | None] | None, most: int = 10) -> list[tuple[str, float]]:
    """Return the classes with the lowest accuracies, the worst first; one without images has none."""
    known = [(name, share) for name, share in (by_class or {}).items() if share is not None]
    return sorted(known, key=lambda pair: pair[1])[:most]


def effective_validation_images(score: Score, images_by_class: Sequence[int]) -> float:
    """Return how many images would give an accuracy the sampling noise that this score has.

    With K classes, of which class c has m_c images and the recall p_c, the variance of balanced accuracy is
    sum_c p_c (1 - p_c) / m_c / K^2. That of an accuracy p on n images is p (1 - p) / n. If all recalls are p,
    both are equal at n = K / mean_c(1 / m_c). Where the rare classes are the harder ones, the true noise is
    larger. The same number is used for macro F1, whose noise is mostly that of the recalls. Classes without
    validation images are left out, as the scores leave them out.
    """
    known = [count for count in images_by_class if count]
    if score.name not in ("balanced_accuracy", "macro_f1"):
        return float(sum(known))
    return len(known) ** 2 / sum(1 / count for count in known)
