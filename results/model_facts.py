"""A trained network as people compare it: its size, its accuracy with interval, its latency and its files.

For the page and the report the network found is beside the base network. For the model card of an exported
file they are in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import file_names, latency, queries, study_words
from results.db.tables import Event, Trial
from results.format import millions, plain_rows
from results.scores import ACCURACY, Score, measured_accuracy
from results.study_record import Row, StudyRecord, read_study
from results.weights import first_with_weights

_OF_NETWORK = ("study_id", "number", "of_trial_number", "point", "weights_bytes")


@dataclass(frozen=True)
class Estimate:
    """The mean of a network's trainings; low, high: of the 95% interval, None if it is not known.

    The interval of a share is cut to [0, 1]: posteriors are normal, and reach beyond.
    """

    mean: float
    low: float | None
    high: float | None
    trainings: int
    sought: Score = ACCURACY

    def __str__(self) -> str:
        within = ""
        if self.low is not None and self.high is not None:
            within = f"{self.sought.interval_text(self.low, self.high)}, "
        return f"{self.sought.text(self.mean)} ({within}n {self.trainings})"


@dataclass(frozen=True)
class NetworkFacts:
    """A network in its study.

    role: `found` or `base`; row: its first trial; kept: the trial whose weights stand for it, if any are kept
    latencies: with COLUMNS of `results.latency`, as far as they were measured
    """

    role: str
    row: Row
    estimate: Estimate | None
    kept: Row | None
    latencies: tuple[Row, ...] = ()

    @property
    def folder(self) -> Path | None:
        """Its first trial's."""
        return Path(self.row["folder"]) if self.row["folder"] else None

    @property
    def files(self) -> dict[str, int]:
        """The bytes of the files of its weights, by name."""
        return measure_files(Path(self.kept["folder"])) if self.kept and self.kept["folder"] else {}


def compare_with_base(study: StudyRecord) -> list[NetworkFacts]:
    """Return the network found and the base network, as far as there are any."""
    found, base = study.winner, study.base
    shown = [("found", found)] if found is not None else []
    if base is not None and base is not found:
        shown.append(("base", base))
    return [
        NetworkFacts(
            role,
            row,
            _estimate(study, row, study.model if row is found else None),
            _kept(study, row),
            tuple(_latencies(study, row)),
        )
        for role, row in shown
    ]


def measure_files(folder: Path) -> dict[str, int]:
    """Return the bytes of a network's files by name; empty if it cannot be loaded from there."""
    paths = [folder / name for name in file_names.NETWORK_FILES]
    found = {path.name: path.stat().st_size for path in paths if path.is_file()}
    return found if {file_names.MODEL, file_names.WEIGHTS} <= found.keys() else {}


def describe_model(db: queries.Database, model: str) -> dict[str, Any]:
    """Return the facts of a model's card by name: texts, an object `accuracy`, and a list `latency`.

    model: as for `queries.weights`, which has found it; of a folder nothing is known but what is in it
    Raises StoreError.
    """
    if (Path(model) / file_names.MODEL).is_file():
        return {}
    saved, name, number = _find(db, model)
    study = read_study(db, name)
    row = study.by_number[number]
    row = study.by_number[row["of_trial_number"] or number]  # of a repeat the network's first trial
    facts: dict[str, Any] = {"name": model, "how": _describe_origin(study, row)}
    facts |= {name: _compare_amount(study, row, name.lower()) for name in ("MACs", "parameters")}
    estimate = _estimate(study, row, saved)
    if estimate is not None and estimate.low is not None:
        score = {} if study.sought == ACCURACY else {"score": study.sought.noun}
        interval = [estimate.low, estimate.high]
        facts["accuracy"] = {"mean": estimate.mean, "interval": interval, "runs": estimate.trainings, **score}
    if measured := _card_latencies(study, row):
        facts["latency"] = measured
    return facts


def _find(db: queries.Database, model: str) -> tuple[Row | None, str, int]:
    """Return the saved model's row, if it is one, and the study and number of its trial."""
    study, colon, number = model.rpartition(":")
    if colon:
        return None, study, int(number)
    name, _, study = model.partition("@")
    rows = plain_rows(queries.models(db))
    saved = next(row for row in rows if row["name"] == name and study in ("", row["study"]))
    return saved, saved["study"], saved["trial"]


def _estimate(study: StudyRecord, row: Row, saved: Row | None) -> Estimate | None:
    """Return what is known of a network's accuracy, or of the score that is sought in its place."""
    _, mean = measured_accuracy(saved["val_accuracy"], saved["test_accuracy"]) if saved else ("", None)
    if saved is not None and mean is not None and saved["trainings"]:
        return _cut(study, mean, saved["accuracy_low"], saved["accuracy_high"], saved["trainings"])
    known = next((network for network in study.networks if network.trial == row["number"]), None)
    if known is not None and known.is_replicated:
        return _cut(study, known.belief.mean, *known.belief.interval(), known.belief.trainings)
    return None if row["accuracy"] is None else _cut(study, row["accuracy"], None, None, 1)


def _cut(study: StudyRecord, mean: float, low: float | None, high: float | None, trainings: int) -> Estimate:
    sought = study.sought
    if low is None or high is None:
        return Estimate(mean, None, None, trainings, sought)
    return Estimate(mean, *sought.cut(low, high), trainings, sought)


def _latencies(study: StudyRecord, row: Row) -> list[Row]:
    """Return what was measured at the study's end, of the base and of what it saved."""
    details = [event["detail"] for event in plain_rows(study.events) if event["kind"] == latency.EVENT]
    number = None if row is study.base else row["number"]
    return [
        one for one in latency.rows_of(details) if one["trial"] == number and one["milliseconds"] is not None
    ]


def _card_latencies(study: StudyRecord, row: Row) -> list[dict[str, Any]]:
    events = [Event(kind=event["kind"], detail=event["detail"]) for event in plain_rows(study.events)]
    timed = Trial(number=None if row is study.base else row["number"], latency_ms=row["latency_ms"])
    return latency.card_entries(events, timed, study.study["question"])


def _kept(study: StudyRecord, row: Row) -> Row | None:
    """Return the trial whose weights stand for the network of `row`."""
    trials = [_trial(one) for one in study.rows if one["weights_bytes"] is not None]
    found = first_with_weights(trials, _trial(row))
    return None if found is None else study.by_number[found.number]


def _trial(row: Row) -> Trial:
    return Trial(**{name: row[name] for name in _OF_NETWORK})


def _describe_origin(study: StudyRecord, row: Row) -> str:
    settings = study_words.describe_settings(study)
    if row is study.winner:
        return " ".join((*settings, *study_words.describe_result(study)))
    return " ".join((*settings, f"Trial {row['number']} of the study {study.name} ({row['label']})."))


def _compare_amount(study: StudyRecord, row: Row, column: str) -> str:
    """Return an amount of a network beside that of the base network."""
    own, base = row[column], study.base and study.base[column]
    if not own or not base or row is study.base:
        return millions(own)
    than = "less" if own < base else "more"
    return f"{millions(own)}, {abs(1 - own / base):.0%} {than} than the base network's {millions(base)}"
