"""What a search may seek or require of a network's predictions: one row a score, read by all that names one.

They are shares of validation images or means of such shares, in [0, 1]. A script of the user's may report any
other number, of which more or less is better; nothing can be required of it. The column `score` has it as the
script reports it. Columns that are named after the accuracy hold the sought score: `min_accuracy`,
`mean_accuracy`, `accuracy_low`. Only `val_accuracy` of trials and measurements is always the accuracy itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from results.metrics import METRICS


@dataclass(frozen=True)
class Score:
    """A measure of a network's predictions on the validation images, or any number that a script reports.

    All that ranks or shows values of it does so by its methods. Values are as reported: shares as fractions.
    """

    name: str  # as in `--metric NAME`, and in a study's settings
    noun: str
    head: str  # of a narrow table's column
    fewest_classes: int = 0  # that the data need
    is_own: bool = False  # whether a script of the user's reports it, and not the trainer
    is_number: bool = False  # whether it is any number, and not a share in [0, 1]
    is_lower_better: bool = False

    @property
    def field(self) -> str:
        """What a trainer's lines call it, and the column of `trials` that has it whether sought or not."""
        return "score" if self.is_number else f"val_{self.name}"

    @property
    def column(self) -> str:
        """The column of `trials` and `measurements` in which a study that seeks this score has it."""
        return "val_accuracy" if self == ACCURACY else "score"

    @property
    def key(self) -> str:
        """What JSON lines call it: of a number no name, which might be another key's."""
        return "score" if self.is_number else self.name

    @property
    def goal(self) -> str:
        return f"{'lowest' if self.is_lower_better else 'highest'} {self.noun}"

    @property
    def axis(self) -> str:
        """Its name with the unit of `plotted`."""
        return self.noun if self.is_number else f"{self.noun} (%)"

    def plotted(self, value: float) -> float:
        """Return a value as plots have it: a share in percent."""
        return value if self.is_number else 100 * value

    def holds(self, value: Any) -> bool:
        """Whether a trainer may report this value: a share in [0, 1], or any number up to LARGEST."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return abs(value) <= LARGEST if self.is_number else 0 <= value <= 1

    def merit(self, value: float | None) -> float:
        """Return what values are ranked by: more is better. None, of a failed training, is the worst."""
        if value is None:
            return -math.inf if self.is_number else 0.0
        return -value if self.is_lower_better else value

    def loss(self, value: float) -> float:
        """Return what a solver minimises: the error of a share, a number itself or its negative."""
        return -self.merit(value) if self.is_number else 1.0 - value

    def text(self, value: float | None, digits: int = 2) -> str:
        """Return a value for people: 90.12%, or a number as it is. `digits`: of a percentage"""
        if value is None:
            return "-"
        return f"{value:.{NUMBER_DIGITS}g}" if self.is_number else f"{value:.{digits}%}"

    def cut(self, low: float, high: float) -> tuple[float, float]:
        """Return an interval cut to [0, 1], beyond which the posterior of a share reaches."""
        return (low, high) if self.is_number else (max(low, 0.0), min(high, 1.0))

    def interval_text(self, low: float, high: float) -> str:
        """Return an interval, that of a share in percent: [11.31, 17.52]."""
        low, high = self.cut(low, high)
        if self.is_number:
            return f"[{self.text(low)}, {self.text(high)}]"
        return f"[{100 * low:.2f}, {100 * high:.2f}]"

    def difference_text(self, gap: float, low: float, high: float) -> str:
        """Return a difference of two values with its interval; that of shares is in percentage points."""
        if self.is_number:
            return f"{gap:+.{NUMBER_DIGITS}g} {self.interval_text(low, high)}"
        return f"{100 * gap:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"

    def reword(self, text: str) -> str:
        """Return a text about accuracy as one about this score."""
        if self == ACCURACY:
            return text
        capital = self.noun[0].upper() + self.noun[1:]
        words = {"accuracy": self.noun, "Accuracy": capital}
        for amount, other in (("more", "better"), ("less", "worse"), ("as", "as good")):
            words[f"{amount} accurate"] = f"{other} in {self.noun}"
        return re.sub("|".join(words), lambda found: words[found[0]], text)


LARGEST = 1e300  # of numbers: beyond it a sum or a difference of several may be infinite
NUMBER_DIGITS = 6  # significant ones that people see of a number
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


def number_of(minimise: str | None, maximise: str | None) -> Score | None:
    """Return the number of a script's that is minimised or maximised by its name; None if none is."""
    for name, is_lower_better in ((minimise, True), (maximise, False)):
        if name is not None and name != ACCURACY.name and name not in METRICS:
            noun = name.replace("_", " ")
            return Score(name, noun, noun, is_own=True, is_number=True, is_lower_better=is_lower_better)
    return None


def sought_score(question: Mapping[str, Any]) -> Score:
    """Return the score that a study seeks and requires, by its settings."""
    aim = question.get("aim") or {}
    number = number_of(aim.get("minimise"), aim.get("maximise"))
    return number or score_of(question.get("metric", ACCURACY.name))


def row_score(row: Mapping[str, Any]) -> Score:
    """Return the score of a row with the columns `metric` and `is_share`, for its text."""
    return replace(score_of(row["metric"]), is_number=not row["is_share"])


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
