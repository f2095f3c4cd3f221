"""Write a study to an Optuna storage, once or while it runs, for optuna-dashboard and Optuna's plots.

A study that minimises a size has two objectives there, that size and the validation accuracy (maximised),
with its required accuracy and limits as constraints. Others have only the accuracy, or a script's number in
its direction. Optuna never changes a finished trial. So when a later verdict rejects a network that Optuna
has as feasible, the copy is deleted and written again. Optuna is imported where it is used, since the rest of
the package does not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from results import export as exporting
from results import queries
from results.errors import NotOnRecord
from results.mirror import MirrorResult, follow
from results.optuna_mirror._notes import bring_notes
from results.optuna_mirror._storage import open_storage
from results.optuna_mirror._trial import Asked, constraints, is_feasible, is_finished, to_optuna

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial


def export(db: queries.Database, study: str, url: str) -> MirrorResult:
    """Write to an Optuna storage what it does not have yet of a study.

    url: an SQLite file or an SQLAlchemy URL, as for `db`; created if missing

    Raises StoreError if something cannot be read or written, and for a study without a search space.
    """
    with open_storage(url, db) as storage:
        return _Mirror(db, study, storage).bring()


def mirror(
    db: queries.Database, study: str, url: str, interval_seconds: float, tell: Callable[[MirrorResult], None]
) -> None:
    """Call `export` repeatedly until the study ends; `tell` is called after each update with changes."""
    with open_storage(url, db) as storage:
        follow(_Mirror(db, study, storage).bring, interval_seconds, tell)


class _Mirror:
    """A study in the results database and its copy in an Optuna storage."""

    def __init__(self, db: queries.Database, name: str, storage: RDBStorage) -> None:
        self._db, self._name, self._storage = db, name, storage

    def bring(self) -> MirrorResult:
        """Copy what is new. The study's state is read first, so that later changes are not missed."""
        row = exporting.records(queries.studies(self._db, self._name))[0]
        asked = Asked.of(row)
        trials = exporting.records(queries.trials(self._db, self._name))
        there = _study(self._storage, row, asked)
        if _is_outdated(there, asked, trials):
            self._storage.delete_study(there._study_id)  # if killed here, the next time writes it again
            there = _study(self._storage, row, asked)
        added, ended = self._bring_trials(there, asked, trials)
        self._bring_attributes(there, row, trials)
        best = exporting.records(queries.best(self._db, self._name))
        bring_notes(there, row, trials, best[0] if best else None)
        return MirrorResult(added, ended, len(trials), row["state"])

    def _bring_trials(self, study: Study, asked: Asked, trials: list[dict[str, Any]]) -> tuple[int, int]:
        there = {trial.user_attrs.get("trial"): trial for trial in study.get_trials(deepcopy=False)}
        by_number = {trial["number"]: trial for trial in trials}
        open_ones = [n for n in by_number if n not in there or not there[n].state.is_finished()]
        wanted = [n for n in open_ones if n not in there or is_finished(by_number[n], by_number)]
        curves = self._curves() if wanted else {}
        for number in wanted:
            frozen = to_optuna(by_number[number], by_number, curves.get(number, []), asked)
            if number not in there:
                study.add_trial(frozen)
            else:
                self._end(there[number]._trial_id, frozen)
        added = sum(number not in there for number in wanted)
        return added, len(wanted) - added

    def _curves(self) -> dict[int, list[dict[str, Any]]]:
        curves: dict[int, list[dict[str, Any]]] = {}
        for measured in exporting.records(queries.learning_curves(self._db, self._name)):
            curves.setdefault(measured["trial"], []).append(measured)
        return curves

    def _end(self, trial_id: int, frozen: FrozenTrial) -> None:
        """End a trial that was running when it was copied. Its state goes last: it forbids later changes."""
        for step, value in frozen.intermediate_values.items():
            self._storage.set_trial_intermediate_value(trial_id, step, value)
        for key, fact in frozen.user_attrs.items():
            self._storage.set_trial_user_attr(trial_id, key, fact)
        for key, fact in frozen.system_attrs.items():
            self._storage.set_trial_system_attr(trial_id, key, fact)
        self._storage.set_trial_state_values(trial_id, frozen.state, frozen.values)

    def _bring_attributes(self, study: Study, row: dict[str, Any], trials: list[dict[str, Any]]) -> None:
        facts = {name: row[name] for name in _STUDY_FACTS if row[name] is not None}
        for verdict in ("confirmed", "undecided", "rejected"):
            facts[verdict] = [trial["number"] for trial in trials if trial["verdict"] == verdict]
        there = study.user_attrs
        for name, fact in facts.items():
            if there.get(name) != fact:
                study.set_user_attr(name, fact)


_STUDY_FACTS = (
    "kind", "state", "message", "question", "budget_trials", "minimise", "maximise", "min_accuracy",
    "baseline_accuracy", "baseline_std", "best_trial", "best_macs", "best_mean_accuracy",
    "versions", "git_commit",
)  # fmt: skip


def _study(storage: RDBStorage, row: dict[str, Any], asked: Asked) -> Study:
    """Return the study in the storage, created if missing. Raises NotOnRecord if it is of another origin."""
    import optuna

    names = optuna.get_all_study_names(storage)
    if row["name"] not in names:
        optuna.create_study(storage=storage, study_name=row["name"], directions=asked.directions)
    found = optuna.load_study(storage=storage, study_name=row["name"])
    if _is_unmarked(found, asked):  # it was created just now, or by a process that was killed then
        storage.set_study_system_attr(found._study_id, "study:metric_names", asked.metrics)
        found.set_user_attr("begun", row["created_at"])
    if found.user_attrs.get("begun") != row["created_at"]:
        raise NotOnRecord(
            f"the Optuna storage has another study {row['name']!r}, not started at {row['created_at']}; "
            "give another --optuna, or delete that one (optuna delete-study)"
        )
    return found


def _is_outdated(study: Study, asked: Asked, trials: list[dict[str, Any]]) -> bool:
    """Whether a finished trial is feasible there and not here, or the reverse.

    A copy with trials that are not of the study stays as it is: they would be lost with it.
    """
    by_number = {trial["number"]: trial for trial in trials}
    there = {trial.user_attrs.get("trial"): trial for trial in study.get_trials(deepcopy=False)}
    return there.keys() <= by_number.keys() and any(
        is_feasible(trial.system_attrs) != is_feasible(constraints(by_number[number], by_number, asked))
        for number, trial in there.items()
        if trial.state.is_finished()
    )


def _is_unmarked(study: Study, asked: Asked) -> bool:
    directions = [direction.name.lower() for direction in study.directions]
    return not study.user_attrs and not study.get_trials(deepcopy=False) and directions == asked.directions
