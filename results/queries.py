"""Read the results database into DataFrames. Nothing here writes, migrates or needs torch.

`db` is the path of an SQLite file or an SQLAlchemy URL. Whole numbers are `Int64`, so that a missing one does
not turn the others into floats. Other numbers are float64, missing ones NaN; times are UTC; JSON columns hold
Python objects; a missing text or object is None.

Every function raises `results.errors.StoreError` if the database cannot be read, and NotOnRecord, which lists
the studies, for an unknown study.

    from results import queries
    queries.best("runs/results.db")[["study", "model", "width", "macs_millions", "val_accuracy"]]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Double, Integer, String, or_, select, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from results import file_names, latency
from results.analysis import forecast
from results.analysis.evaluation import rank_pairs
from results.analysis.pareto import members
from results.analysis.slack import cheapest
from results.db import connection as database
from results.db import schema
from results.db.tables import RUN_BY_RUN, Model, Study, Trial, column_types
from results.db.types import Instant
from results.errors import NotOnRecord, WeightsMissing
from results.format import plain_rows as plain_rows
from results.packages import pandas as pd
from results.scores import sought_score
from results.weights import first_with_weights

Database = str | Path


def studies(db: Database, study: str | None = None) -> pd.DataFrame:
    """Return one row per study, oldest first: the columns of `studies`, and counts of its trials.

    With `study`, only the row of that study.

    `trainings` counts all trainings, repeats included. `spent` is the budget they used: a trial stopped
    early counts by the fraction at which it was stopped. `slot_seconds`, `energy_joules` and `measured` are
    those of the view `spending`. `least_seconds_left` and `likely_seconds_left` are the `forecast.Forecast`
    of a running study. `expected_saving` is the fraction that ten more trainings were expected to save when
    the solver chose its latest trial, missing if it has no model. `trials` counts the solver's candidates,
    and `trained`, `failed`, `screened` and `duplicates` count among those. `best_macs`, `best_val_accuracy`
    and `best_mean_accuracy` are those of `best_trials`. `metric` is the score that the study seeks:
    `accuracy`, another of `results.scores`, or a number that a script reports, which is not a share in [0, 1]
    (`is_share`).
    """
    return _as_frame(*_studies(db, study))


def study_rows(db: Database) -> list[dict[str, Any]]:
    """Return the rows of `studies` without pandas: numbers, datetimes and JSON values, None if missing."""
    return _studies(db)[1]


def _studies(db: Database, study: str | None = None) -> tuple[list[str], list[dict[str, Any]]]:
    query = f"{_STUDIES} {'' if study is None else _OF_STUDY} ORDER BY studies.id"
    names, rows = _rows(db, query, study)
    for row in rows:
        left = forecast.of_study(row)
        row |= {"least_seconds_left": left and left.least, "likely_seconds_left": left and left.likely}
        row["expected_saving"] = forecast.expected_saving(row["belief"])
        row |= _metric_of(row["question"])
    hidden = ("ended", "run_seconds", "run_ended", "last_finished_at", "run_token", "belief")
    more = ("least_seconds_left", "likely_seconds_left", "expected_saving", "metric", "is_share")
    shown = [name for name in (*names, *more) if name not in hidden]
    return shown, [{name: row[name] for name in shown} for row in rows]


_OF_STUDY = "WHERE studies.id = :id"
_STUDIES = """
SELECT
    studies.*,
    spending.trainings,
    spending.spent, spending.ended, spending.slot_seconds, spending.energy_joules, spending.measured,
    spending.run_seconds, spending.run_ended, spending.last_finished_at,
    COALESCE(counted.trials, 0) AS trials,
    COALESCE(counted.trained, 0) AS trained,
    COALESCE(counted.failed, 0) AS failed,
    COALESCE(counted.screened, 0) AS screened,
    COALESCE(counted.duplicates, 0) AS duplicates,
    best_trials.trial AS best_trial,
    best_trials.macs AS best_macs,
    best_trials.val_accuracy AS best_val_accuracy,
    best_trials.mean_accuracy AS best_mean_accuracy,
    latest.belief
FROM studies JOIN spending ON spending.study = studies.name
LEFT JOIN (
    SELECT study_id, COUNT(*) AS trials,
        SUM(CASE WHEN state IN ('completed', 'pruned') THEN 1 ELSE 0 END) AS trained,
        SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END) AS failed,
        SUM(CASE WHEN state = 'screened' THEN 1 ELSE 0 END) AS screened,
        SUM(CASE WHEN state = 'duplicate' THEN 1 ELSE 0 END) AS duplicates
    FROM trials WHERE purpose = 'search' GROUP BY study_id
) AS counted ON counted.study_id = studies.id
LEFT JOIN best_trials ON best_trials.study = studies.name
LEFT JOIN trials AS latest ON latest.study_id = studies.id AND latest.number = (
    SELECT MAX(number) FROM trials WHERE study_id = studies.id AND belief IS NOT NULL
)
"""


def trials(db: Database, study: str) -> pd.DataFrame:
    """Return one row per trial of the study, by number, with the columns of `trials`."""
    return _read(db, "SELECT * FROM trials WHERE study_id = :id ORDER BY number", study)


def evaluation(db: Database, study: str) -> pd.DataFrame:
    """Return one row per pair of model and recipe of an evaluation, the best first; the one of a training.

    Its columns are those of `results.analysis.evaluation.rank_pairs`. Raises NotOnRecord for a study of
    another kind.
    """
    kind = _settings(db, study)["kind"]
    if kind not in RUN_BY_RUN:
        raise NotOnRecord(
            f"study {study!r} is of kind {kind} and not an evaluation; see nas-results trials {study}"
        )
    return rank_pairs(trials(db, study))


def slack(db: Database, study: str) -> pd.DataFrame:
    """Return the smallest network at several required accuracies: the rows of `slack.cheapest`.

    Raises NotOnRecord for a study that has no required accuracy (yet).
    """
    asked = _settings(db, study)
    if asked["min_accuracy"] is None:
        raise NotOnRecord(f"study {study!r} has no required accuracy (yet); see nas-results show {study}")
    return cheapest(trials(db, study), asked)


def front(db: Database, study: str) -> pd.DataFrame:
    """Return the networks on the Pareto front, the smallest first: the rows of `pareto.members`.

    Raises NotOnRecord for a study with one objective.
    """
    asked = _settings(db, study)
    if asked["minimise"] is None or asked["maximise"] is None:
        sought = asked["minimise"] or asked["maximise"] or "none"
        raise NotOnRecord(
            f"study {study!r} has no Pareto front (objective: {sought}); see nas-results show {study}"
        )
    return members(trials(db, study), asked)


def _settings(db: Database, study: str) -> dict[str, Any]:
    """Return the row of the table `studies`, with None for what is missing."""
    return plain_rows(_read(db, "SELECT * FROM studies WHERE id = :id", study))[0]


def early_stops(db: Database, study: str) -> pd.DataFrame:
    """Return the view `early_stops` for the study: one row, or none if nothing is stopped early (yet)."""
    return _read(db, "SELECT * FROM early_stops WHERE study = :study", study)


def best(db: Database, study: str | None = None) -> pd.DataFrame:
    """Return the view `best_trials` with each trial's `config`: one row per study that has a best trial.

    With `study`, only the row of that study, if it has one. `mean_accuracy` is of the `metric` that it seeks.
    `status` is that of the saved model, None if the trial is not one.
    """
    return _with_metric(_read(db, f"{_BEST} {'' if study is None else _OF_STUDY} ORDER BY study", study))


def _with_metric(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the score that a study seeks in place of the study's settings."""
    found = pd.DataFrame(
        map(_metric_of, frame["question"]), frame.index, ["metric", "is_share"], dtype=object
    )
    return frame.drop(columns="question").join(found)


def _metric_of(question: dict[str, Any]) -> dict[str, Any]:
    """Return the name of the score that a study seeks, and whether it is in [0, 1], and not any number."""
    sought = sought_score(question)
    return {"metric": sought.name, "is_share": not sought.is_number}


_BEST = """
SELECT best_trials.*, trials.config, studies.question,
    (SELECT max(models.status) FROM models WHERE models.trial_id = trials.id) AS status
FROM best_trials JOIN studies ON studies.name = best_trials.study
JOIN trials ON trials.study_id = studies.id AND trials.number = best_trials.trial
"""


def latencies(db: Database, study: str) -> pd.DataFrame:
    """Return the latencies measured at the study's end: one row per network, device and batch.

    The columns are those of `results.latency`: `trial` is the number of the network's first training, missing
    for the base network. `milliseconds` are those of a whole batch. Where they are missing, `skipped` says
    why.
    """
    query = f"SELECT detail FROM events WHERE study_id = :id AND kind = '{latency.EVENT}' ORDER BY id"
    _, rows = _rows(db, query, study)
    return _as_frame(list(latency.COLUMNS), latency.rows_of(row["detail"] for row in rows))


def learning_curves(db: Database, study: str) -> pd.DataFrame:
    """Return the view `learning_curves` for the study: one row per measurement, by trial and time."""
    return _read(db, "SELECT * FROM learning_curves WHERE study = :study ORDER BY trial, ordinal", study)


def models(db: Database) -> pd.DataFrame:
    """Return one row per saved network, by name and newest first, with its study and trial.

    Its accuracies are of the `metric` that its study seeks. `weights` is the folder of its weights, None if
    none are kept, and `weights_bytes` their size.
    """
    frame = _with_metric(_read(db, _MODELS))
    with _reading(db) as connection, Session(connection) as session:
        kept = session.scalars(select(Trial).where(Trial.weights_bytes.is_not(None))).all()
        found = [_trial_with_weights(session, kept, row) for row in plain_rows(frame)]
    frame["weights"] = pd.Series([row and row.folder for row in found], index=frame.index, dtype=object)
    sizes = [row and row.weights_bytes for row in found]
    return frame.assign(weights_bytes=pd.Series(sizes, index=frame.index, dtype="Int64"))


def _trial_with_weights(session: Session, kept: Sequence[Trial], model: dict[str, Any]) -> Trial | None:
    """Return the training whose weights stand for a saved model, of those that are kept."""
    trial = session.get(Trial, model["trial_id"]) if model["trial_id"] is not None else None
    return None if trial is None else first_with_weights(kept, trial)


_MODELS = """
SELECT models.*, studies.name AS study, trials.number AS trial, studies.question
FROM models JOIN studies ON studies.id = models.study_id LEFT JOIN trials ON trials.id = models.trial_id
ORDER BY models.name, models.id DESC
"""


def request(db: Database, study: str) -> pd.DataFrame:
    """Return the latest request of the study, with its non-default options; no row for an evaluation."""
    return _read(db, "SELECT kind, subject, options FROM requests WHERE study = :study", study)


def events(db: Database, study: str) -> pd.DataFrame:
    """Return one row per event of the study, oldest first; `trial` is the number of the trial it is about."""
    return _read(
        db,
        "SELECT events.*, trials.number AS trial FROM events LEFT JOIN trials ON trials.id = events.trial_id"
        " WHERE events.study_id = :id ORDER BY events.id",
        study,
    )


def weights(db: Database, model: str) -> Path:
    """Return the folder of a trained network: `model.safetensors` and `model.json`.

    model: a saved model's name, of which the newest is meant; NAME@STUDY, the one that this study saved;
        STUDY:NUMBER, a trial; or the path of a folder with a `model.json`
    Of a saved model it is the training of `first_with_weights`. Of a trial it is its own, if that is kept.
    Raises NotOnRecord for another name, and WeightsMissing if none are kept or the files are gone.
    """
    if (Path(model) / file_names.MODEL).is_file():
        return Path(model)
    with _reading(db) as connection, Session(connection) as session:
        trial = _trial_of(session, model)
        number = trial.of_trial_number if trial.state == "duplicate" else trial.number
        rows = session.scalars(
            select(Trial).where(
                Trial.study_id == trial.study_id,
                or_(Trial.weights_bytes.is_not(None), Trial.number == number),
            )
        ).all()
        is_script = "config_as" in session.get_one(Study, trial.study_id).question
    asked = next(row for row in rows if row.number == number)
    is_own = ":" in model and asked.weights_bytes is not None
    found = asked if is_own else first_with_weights(rows, asked)
    if is_script:
        raise WeightsMissing(f"a script trained {model}; what it wrote is in {asked.folder}")
    if found is None or found.folder is None:
        raise WeightsMissing(f"no weights of {model} are kept; {_remedy(model)}")
    folder = Path(found.folder)
    for name in (file_names.MODEL, file_names.WEIGHTS):
        if not (folder / name).is_file():
            raise WeightsMissing(f"the weights of {model} are gone: no {folder / name}; {_remedy(model)}")
    return folder


def _remedy(model: str) -> str:
    if ":" in model:
        return "train it again with --keep-weights all, under another --study"
    return f"nas-train --model {model} trains it again and keeps them"


def _trial_of(session: Session, model: str) -> Trial:
    """Return the trial of a saved model's name, of NAME@STUDY, or of STUDY:NUMBER. Raise NotOnRecord."""
    study, colon, number = model.rpartition(":")
    if colon:
        own = select(Trial).join(Study, Study.id == Trial.study_id).where(Study.name == study)
        _known(session.connection(), study)
        is_number = number.isdecimal() and len(number) < 10
        trial = session.scalar(own.where(Trial.number == int(number))) if is_number else None
        if trial is None:
            raise NotOnRecord(f"no trial {number} in study {study!r}; see nas-results trials {study}")
        return trial
    name, _, study = model.partition("@")
    saved = select(Trial).join(Model, Model.trial_id == Trial.id).join(Study, Study.id == Model.study_id)
    saved = saved.where(Model.name == name, *([Study.name == study] if study else []))
    trial = session.scalar(saved.order_by(Model.id.desc()).limit(1))
    if trial is None:
        there = session.scalars(select(Model.name).distinct().order_by(Model.name)).all()
        raise NotOnRecord(
            f"there is no model {model!r}; there are: {', '.join(there) or 'none yet'}. A trial is "
            f"STUDY:NUMBER, and a folder must have a {file_names.MODEL}"
        )
    return trial


@contextmanager
def _reading(db: Database) -> Iterator[Connection]:
    url = database.address(db)
    engine = database.connect(url, read_only=True)
    try:
        schema.check(engine)
        with database.explain_errors(url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _read(db: Database, query: str, study: str | None = None) -> pd.DataFrame:
    """Return the rows of a query, whose parameters are the name and the id of `study`, which must exist."""
    return _as_frame(*_rows(db, query, study))


def _rows(db: Database, query: str, study: str | None = None) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns' names, and the rows with values of the columns' types or None."""
    with _reading(db) as connection:
        known = {} if study is None else {"study": study, "id": _known(connection, study)}
        result = connection.execute(text(query).columns(**_TYPES), known)
        names = list(result.keys())
        kinds = [_number_type(_TYPES.get(name)) for name in names]
        return names, [
            {
                name: value if kind is None or value is None else kind(value)
                for name, kind, value in zip(names, kinds, row, strict=True)
            }
            for row in result
        ]


def _known(connection: Connection, study: str) -> int:
    rows = connection.execute(text("SELECT name, id FROM studies ORDER BY id"))
    ids = {str(row.name): int(row.id) for row in rows}
    if study not in ids:
        there_are = f"there are {', '.join(ids)}" if ids else "there is none yet"
        raise NotOnRecord(f"there is no study {study!r}; {there_are}")
    return ids[study]


def _as_frame(names: list[str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([tuple(row.values()) for row in rows], columns=names, dtype=object)
    return frame.astype({name: _dtype(_TYPES[name]) for name in names if name in _TYPES})


def _number_type(kind: TypeEngine[Any] | None) -> type[int | float] | None:
    """Return the type of a column's numbers: a view's sum of whole numbers may be a float, or the reverse."""
    if isinstance(kind, Integer):
        return int
    return float if isinstance(kind, Double) else None


_TYPES: dict[str, TypeEngine[Any]] = {
    **column_types(),
    **dict.fromkeys(("trial", "trials", "trained", "failed", "screened", "duplicates"), Integer()),
    "study": String(),
    "options": JSON(),
    "last_finished_at": Instant(),
    **dict.fromkeys(("best_trial", "best_macs", "feasible"), BigInteger()),
    **dict.fromkeys(("trainings", "measured", "run_ended", "pruned", "would_stop", "false_stops"), Integer()),
    **dict.fromkeys(("ended", "run_seconds", "spent", "trainings_saved", "false_stop_rate"), Double()),
    **dict.fromkeys(("least_seconds_left", "likely_seconds_left", "expected_saving"), Double()),
    **dict.fromkeys(("batch", "threads", "passes"), Integer()),
    **dict.fromkeys(("milliseconds", "iqr_milliseconds"), Double()),
    **dict.fromkeys(("macs_millions", "val_accuracy_percent", "best_val_accuracy"), Double()),
}


def _dtype(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, Integer):
        return "Int64"
    if isinstance(kind, Double):
        return "float64"
    return "datetime64[us, UTC]" if isinstance(kind, Instant) else "object"
