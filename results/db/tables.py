"""The tables: studies, trials, measurements, models and events.

Rows are plain objects without relationships, so that they stay usable after their session is closed.
Times are UTC and carry their zone in Python, although SQLite keeps them as text without one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from results.db.types import Instant

RUN_BY_RUN = ("evaluation", "training")  # kinds of studies without a search: their trials have that purpose
STUDY_KINDS = ("nas", "hpo", *RUN_BY_RUN)
STUDY_STATES = ("running", "finished", "stopped", "failed")
TRIAL_PURPOSES = ("baseline", "search", "confirmation", *RUN_BY_RUN)
TRIAL_STATES = ("running", "completed", "failed", "pruned", "screened", "duplicate")
MODEL_STATUSES = ("provisional", "confirmed", "trained")  # trained: by nas-train, where nothing is chosen


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it from the class)
        str: String,
        float: Double,
        datetime: Instant,
        dict[str, Any]: JSON(none_as_null=True),
        list[int]: JSON(none_as_null=True),
        list[float]: JSON(none_as_null=True),
    }


def one_of(column: str, allowed: Iterable[str]) -> CheckConstraint:
    """Return the constraint that the column holds one of the allowed words."""
    words = ", ".join(f"'{word}'" for word in allowed)
    return CheckConstraint(f"{column} IN ({words})", name=column)


class Study(Base):
    """One study: its settings (space, objective, solver, seed), its budget, and its result."""

    __tablename__ = "studies"
    __table_args__ = (one_of("kind", STUDY_KINDS), one_of("state", STUDY_STATES))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    question: Mapped[dict[str, Any]]  # its settings, which a resume must repeat exactly
    minimise: Mapped[str | None]  # one of results.metrics; with `maximise`, the front of both is sought
    maximise: Mapped[str | None]  # accuracy; in one of the two a script's own number, by its name
    budget_trials: Mapped[int]
    budget_slot_hours: Mapped[float | None]  # the most that all trials may use; null: as many as they need
    slots: Mapped[int | None]  # trials at a time in its latest run
    state: Mapped[str]
    message: Mapped[str | None]  # why it ended
    min_accuracy: Mapped[float | None]  # the required accuracy, or other score, known once the baseline is
    baseline_accuracy: Mapped[float | None]
    baseline_std: Mapped[float | None]
    baseline_replicates: Mapped[int | None]
    versions: Mapped[dict[str, Any]]
    git_commit: Mapped[str | None]
    created_at: Mapped[datetime]
    begun_at: Mapped[datetime | None]  # its latest run
    run_token: Mapped[str | None]  # of that run, which alone may write to the study
    updated_at: Mapped[datetime]


class Trial(Base):
    """One candidate trained once, or not trained ('screened': skipped before training; 'duplicate')."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        one_of("purpose", TRIAL_PURPOSES),
        one_of("state", TRIAL_STATES),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    number: Mapped[int]  # 1, 2, … in its study
    purpose: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None] = mapped_column(index=True)  # one word to count by: 'diverged', 'timeout', …
    message: Mapped[str | None]  # one line for people

    point: Mapped[dict[str, Any] | None]
    network_key: Mapped[str | None] = mapped_column(index=True)  # equal keys are one network and training
    replicate: Mapped[int]  # 0, 1, … of the same point
    of_trial_number: Mapped[int | None]  # the one that this repeats, confirms, or cannot beat
    config: Mapped[dict[str, Any] | None]  # the exact trial.json

    model: Mapped[str | None]  # this and the next eight are copied from config, for plain SQL
    recipe: Mapped[str | None]
    depth: Mapped[float | None]  # multipliers of the named network
    width: Mapped[float | None]
    resolution: Mapped[float | None]
    optimizer: Mapped[str | None]
    learning_rate: Mapped[float | None]
    weight_decay: Mapped[float | None]
    batch_size: Mapped[int | None]

    macs: Mapped[int | None] = mapped_column(BigInteger)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    latency_ms: Mapped[float | None]  # of one image, measured where the search asked for it
    latency_iqr_ms: Mapped[float | None]  # the interquartile range of its repetitions
    channels: Mapped[list[int] | None]
    blocks: Mapped[list[int] | None]
    resolution_pixels: Mapped[int | None]

    val_accuracy: Mapped[float | None]  # accuracies are fractions in [0, 1]
    score: Mapped[float | None]  # what its study seeks, as reported; null if that is the accuracy
    val_balanced_accuracy: Mapped[float | None]
    val_macro_f1: Mapped[float | None]
    val_top5_accuracy: Mapped[float | None]
    val_class_accuracies: Mapped[dict[str, Any] | None]  # by class; null of one without validation images
    val_loss: Mapped[float | None]
    test_accuracy: Mapped[float | None]  # on all test images, read once after training; null unless asked
    test_accuracy_1000: Mapped[float | None]  # on a thousand of them, balanced over the classes
    test_loss: Mapped[float | None]
    epochs: Mapped[float | None]
    steps: Mapped[int | None]
    total_steps: Mapped[int | None]
    replans: Mapped[int | None]
    train_seconds: Mapped[float | None]
    overshoot_seconds: Mapped[float | None]
    wall_seconds: Mapped[float | None]
    images_per_second: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)

    objective: Mapped[float | None]  # what the solver was told, to be minimised
    other_objectives: Mapped[list[float] | None]  # the further ones, where a search has several
    constraints: Mapped[list[float] | None]  # what the solver was told; each holds when <= 0
    belief: Mapped[dict[str, Any] | None]  # what the solver believed when it chose this trial
    verdict: Mapped[str | None]  # 'confirmed', 'undecided' or 'rejected', by repeats; null: not retrained
    probability: Mapped[float | None]  # of being as accurate as it must be, by its repeats
    difference: Mapped[float | None]  # its accuracy less the base network's, where it was compared with that
    difference_low: Mapped[float | None]  # of the interval that holds it with probability .95
    difference_high: Mapped[float | None]
    pairs: Mapped[int | None]  # replicates in which both were trained
    shared_noise: Mapped[float | None]  # fraction of a training's variance that its images and seed explain

    audited: Mapped[int | None]  # 1: never stopped early, to know what that costs; null: nothing is stopped
    stop_progress: Mapped[float | None]  # share of the budget at which it was stopped, or would have been
    predicted_accuracy: Mapped[float | None]  # the final one, as predicted there from its curve
    stop_bound: Mapped[float | None]  # the required accuracy there

    seed: Mapped[int | None] = mapped_column(BigInteger)
    subset_seed: Mapped[int | None] = mapped_column(BigInteger)
    budget_seconds: Mapped[float | None]
    budget_steps: Mapped[int | None]

    attempts: Mapped[int]  # how often it was started; 0: answered without training
    slot_seconds: Mapped[float | None]  # for which its attempts held a worker
    energy_joules: Mapped[float | None]  # of the GPU meanwhile; null unless it was measured of all attempts
    folder: Mapped[str | None]
    weights_bytes: Mapped[int | None] = mapped_column(BigInteger)  # of the network's files; null: not kept
    weights_seconds: Mapped[float | None]  # that writing them took
    exit_code: Mapped[int | None]
    host: Mapped[str | None]
    slot: Mapped[str | None]
    device: Mapped[str | None]
    device_name: Mapped[str | None]
    driver: Mapped[str | None]
    versions: Mapped[dict[str, Any] | None]
    git_commit: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]  # its last attempt; null while it waits for another one
    finished_at: Mapped[datetime | None]


class Measurement(Base):
    """Metrics of a trial at an epoch and at `elapsed_seconds` of its budget's clock."""

    __tablename__ = "measurements"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)  # 0, 1, … in its trial
    epoch: Mapped[float | None]
    step: Mapped[int | None]
    progress: Mapped[float | None]  # share of the budget, in [0, 1]
    elapsed_seconds: Mapped[float | None]
    learning_rate: Mapped[float | None]
    train_loss: Mapped[float | None]
    val_accuracy: Mapped[float | None]
    score: Mapped[float | None]  # the one that its study seeks; null if that is the accuracy
    val_loss: Mapped[float | None]


class Model(Base):
    """A named network found by a study: a base network and its scale. The newest of a name is meant by it."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "study_id"), one_of("status", MODEL_STATUSES))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    network: Mapped[str]  # the base network's name
    depth: Mapped[float]  # multipliers of it
    width: Mapped[float]
    resolution: Mapped[float]
    dataset: Mapped[str]
    image_size: Mapped[int | None]  # pixels a side before `resolution`; null: the data set's own
    hyperparameters: Mapped[dict[str, Any] | None]
    recipe: Mapped[str]
    ingredients: Mapped[dict[str, Any] | None]  # those that differ from the recipe's
    architecture: Mapped[dict[str, Any] | None]  # the network's own settings, where it was searched over them
    macs: Mapped[int] = mapped_column(BigInteger)
    parameters: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[float | None]
    val_accuracy: Mapped[float | None]  # the mean of its `trainings`; null where only test images were read
    test_accuracy: Mapped[float | None]  # the same of a final training, on the test images
    trainings: Mapped[int | None]  # that the accuracy is known from; the search's own only without others
    accuracy_low: Mapped[float | None]  # of the interval that holds the true accuracy with probability .95
    accuracy_high: Mapped[float | None]
    probability: Mapped[float | None]  # of being as accurate as it must be; null without repeats
    difference: Mapped[float | None]  # as of its trial; in a search for accuracy, from the start's
    difference_low: Mapped[float | None]
    difference_high: Mapped[float | None]
    pairs: Mapped[int | None]
    shared_noise: Mapped[float | None]
    status: Mapped[str]
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]


class Event(Base):
    """Something that happened to a study other than a trial, such as a resume or a crash of its solver."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


Row = Study | Trial | Measurement | Model | Event


def column_types() -> dict[str, Any]:
    """Return the SQL type of each column name. Columns with one name in several tables have one type."""
    return {column.name: column.type for table in Base.metadata.tables.values() for column in table.columns}


REQUEST_STATES = ("queued", "running", "ended")


class SearchRequest(Base):
    """The options of a search, and its state in the queue. 'ended' does not mean that it succeeded."""

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("study"), one_of("state", REQUEST_STATES))

    id: Mapped[int] = mapped_column(primary_key=True)
    study: Mapped[str]  # by name: there may be no study of it yet
    kind: Mapped[str]
    subject: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)  # those that differ from the usual
    state: Mapped[str]
    pid: Mapped[int | None]  # of the search's process, on the machine of the service
    message: Mapped[str | None]  # the last output of its process, if it ended without recording why
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
