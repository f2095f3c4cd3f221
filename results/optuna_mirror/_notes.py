"""Notes in Markdown, which optuna-dashboard shows for a study and for a trial.

Optuna never changes a trial that has ended, so its own best trial may be one that was rejected later. The
notes say what the search itself has found. They are kept where optuna-dashboard's `save_note` keeps them: in
attributes of the study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from results.format import percent
from results.metrics import shown_metric
from results.scores import sought_score

if TYPE_CHECKING:
    from optuna import Study

Row = Mapping[str, Any]

_PIECE = 2045  # characters of a note that one attribute holds


def bring_notes(study: Study, row: Row, trials: Sequence[Row], best: Row | None) -> None:
    """Write the notes of a study and of its trials with a verdict, where they have changed.

    best: the study's best trial, as `queries.best` has it; None if there is none
    """
    there = study._storage.get_study_system_attrs(study._study_id)
    copied = (trial for trial in study.get_trials(deepcopy=False) if "trial" in trial.user_attrs)
    numbers = {trial.user_attrs["trial"]: trial for trial in copied}
    optunas = {number: trial.number for number, trial in numbers.items()}
    _write(study, there, "", "\n\n".join(_about_study(row, trials, best, optunas)))
    for trial in trials:
        if trial["verdict"] and trial["number"] in numbers:
            chance = trial["probability"]
            likely = "" if chance is None else f": {percent(chance, 1)} likely to be as good as it must be"
            text = f"**{trial['verdict']}** by the search's repeats{likely}."
            _write(study, there, f"{numbers[trial['number']]._trial_id}:", text)


def _about_study(
    row: Row, trials: Sequence[Row], best: Row | None, optunas: Mapping[int, int]
) -> Iterator[str]:
    state = f"{row['state']}: {row['message']}" if row["message"] else row["state"]
    yield f"Mirrored from the study **{row['name']}** ({state})."
    if best is not None:
        size, sought = shown_metric(row["minimise"]), sought_score(row["question"])
        amount = best[size.column]
        with_size = f"{size.text(amount)}, " if amount is not None else ""
        reached = f"{with_size}{sought.noun} {sought.text(best['mean_accuracy'])}"
        status = best["status"] or best["verdict"] or "provisional"  # a search for accuracy has no verdicts
        yield (
            f"The search's own best is trial {_named(best['trial'], optunas)} ({status}): "
            f"{reached}. Optuna's best is the luckiest training."
        )
    rejected = [_named(trial["number"], optunas) for trial in trials if trial["verdict"] == "rejected"]
    if rejected:
        yield f"Rejected after repeats: {', '.join(rejected)}."


def _named(number: int, optunas: Mapping[int, int]) -> str:
    """Return a trial's number, and what Optuna calls it where that is another."""
    there = optunas.get(number)
    return f"{number}" if there is None else f"{number} (here {there})"


def _write(study: Study, there: Mapping[str, Any], whose: str, text: str) -> None:
    """Write a note. whose: empty for the study's, `ID:` for a trial's"""
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    keys = [f"dashboard:{whose}note_str:{number}" for number in range(len(pieces))]
    more = f"dashboard:{whose}note_str:{len(pieces)}"
    if [there.get(key) for key in keys] == pieces and not there.get(more):
        return
    version = f"dashboard:{whose}note_ver"
    facts = {version: there.get(version, 0) + 1, **dict(zip(keys, pieces, strict=True))}
    old = {key: "" for key in there if key.startswith(f"dashboard:{whose}note_str:") and key not in facts}
    for key, value in {**facts, **old}.items():
        study._storage.set_study_system_attr(study._study_id, key, value)
