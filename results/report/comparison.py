"""Compare studies: their results, and the differences of their settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from results.db.spec_diff import differences, setting_text
from results.format import millions, percent, value_text
from results.study_record import StudyRecord
from results.tables import grid


def compare_studies(study: StudyRecord, other: StudyRecord) -> list[Table]:
    """Return the tables of two studies' results and of their settings."""
    studies = (study, other)
    heads = ("", study.name, other.name)
    return [
        grid("Results side by side", heads, result_rows(studies), ()),
        grid("Settings that differ", ("what", *heads[1:]), setting_rows(studies), ("what", *heads)),
    ]


def result_rows(studies: Sequence[StudyRecord]) -> list[tuple[str, ...]]:
    """Return a row for each result that one of the studies has: its name, and its text for each study."""
    rows = [(name, *map(said, studies)) for name, said in _COMPARED.items()]
    if len({study.sought for study in studies}) == 1:  # then the rows name it
        rows = [(studies[0].sought.reword(name), *cells) for name, *cells in rows if name != "metric"]
    return [row for row in rows if set(row[1:]) != {"-"}]


def setting_rows(studies: Sequence[StudyRecord]) -> list[tuple[str, ...]]:
    """Return a row for each setting that is not the same in all studies: its name, and each one's value."""
    questions = [study.study["question"] for study in studies]
    rows: dict[str, list[str]] = {}
    for index, other in enumerate(questions[1:], 1):
        for line in differences(questions[0], other):
            what, _, values = line.partition(": ")
            if " recorded, " in values:
                rows[what] = [setting_text(question, what) for question in questions]
            else:  # words about the images, which a study names by their fingerprint
                rows.setdefault(what, [""] * len(studies))[index] = values or "others"
    return [(what, *values) for what, values in rows.items()]


def _of_winner(name: str, said: Callable[[Any], Any]) -> Callable[[StudyRecord], str]:
    def of(study: StudyRecord) -> str:
        row = study.winner
        return "-" if row is None else str(said(row[name]))

    return of


_COMPARED: dict[str, Callable[[StudyRecord], str]] = {
    "kind": lambda study: str(study.study["kind"]),
    "state": lambda study: str(study.study["state"]),
    "metric": lambda study: study.sought.noun,
    "required accuracy": lambda study: percent(study.bound),
    "baseline": lambda study: percent(study.study["baseline_accuracy"]),
    "trainings spent": lambda study: f"{study.study['spent']:,.10g} of {study.study['budget_trials']:,}",
    "seconds of trainings": lambda study: f"{study.seconds:,.0f}",
    "skipped before training": lambda study: f"{study.study['screened']:,}",
    "failed": lambda study: f"{study.study['failed']:,}",
    "best trial": _of_winner("number", str),
    "its MACs": _of_winner("macs", millions),
    "its parameters": _of_winner("parameters", millions),
    "its mean accuracy": lambda study: study.sought.text(study.study["best_mean_accuracy"]),
    "its verdict": _of_winner("verdict", lambda verdict: verdict or "provisional"),
    "probability of reaching the required accuracy": _of_winner(
        "probability", lambda chance: percent(chance, 1)
    ),
    "its values": lambda study: _choice(study),
}


def _choice(study: StudyRecord) -> str:
    point = (study.winner or {}).get("candidate") or {}
    return ", ".join(f"{name} {value_text(value)}" for name, value in point.items()) or "-"
