"""The first tables: studies, trials, measurements, models and events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    for name, contents in _TABLES.items():
        op.create_table(name, *contents)
    op.create_index("ix_trials_network_key", "trials", ["network_key"])
    op.create_index("ix_trials_reason", "trials", ["reason"])
    op.create_index("ix_events_study_id", "events", ["study_id"])


_STUDIES: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("name", sa.String(), nullable=False),
    sa.Column("kind", sa.String(), nullable=False),
    sa.Column("question", sa.JSON(), nullable=False),
    sa.Column("budget_trials", sa.Integer(), nullable=False),
    sa.Column("state", sa.String(), nullable=False),
    sa.Column("message", sa.String()),
    sa.Column("min_accuracy", sa.Double()),
    sa.Column("baseline_accuracy", sa.Double()),
    sa.Column("baseline_std", sa.Double()),
    sa.Column("baseline_replicates", sa.Integer()),
    sa.Column("versions", sa.JSON(), nullable=False),
    sa.Column("git_commit", sa.String()),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('nas', 'hpo')", name="ck_studies_kind"),
    sa.CheckConstraint("state IN ('running', 'finished', 'stopped', 'failed')", name="ck_studies_state"),
    sa.PrimaryKeyConstraint("id", name="pk_studies"),
    sa.UniqueConstraint("name", name="uq_studies_name"),
)

_TRIALS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("study_id", sa.Integer(), nullable=False),
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("purpose", sa.String(), nullable=False),
    sa.Column("state", sa.String(), nullable=False),
    sa.Column("reason", sa.String()),
    sa.Column("message", sa.String()),
    sa.Column("point", sa.JSON()),
    sa.Column("network_key", sa.String()),
    sa.Column("replicate", sa.Integer(), nullable=False),
    sa.Column("of_trial_number", sa.Integer()),
    sa.Column("config", sa.JSON()),
    sa.Column("model", sa.String()),
    sa.Column("depth", sa.Double()),
    sa.Column("width", sa.Double()),
    sa.Column("resolution", sa.Double()),
    sa.Column("optimizer", sa.String()),
    sa.Column("learning_rate", sa.Double()),
    sa.Column("weight_decay", sa.Double()),
    sa.Column("batch_size", sa.Integer()),
    sa.Column("macs", sa.BigInteger()),
    sa.Column("parameters", sa.BigInteger()),
    sa.Column("channels", sa.JSON()),
    sa.Column("blocks", sa.JSON()),
    sa.Column("resolution_pixels", sa.Integer()),
    sa.Column("val_accuracy", sa.Double()),
    sa.Column("val_loss", sa.Double()),
    sa.Column("test_accuracy", sa.Double()),
    sa.Column("epochs", sa.Double()),
    sa.Column("steps", sa.Integer()),
    sa.Column("total_steps", sa.Integer()),
    sa.Column("replans", sa.Integer()),
    sa.Column("train_seconds", sa.Double()),
    sa.Column("overshoot_seconds", sa.Double()),
    sa.Column("wall_seconds", sa.Double()),
    sa.Column("images_per_second", sa.Double()),
    sa.Column("peak_memory_bytes", sa.BigInteger()),
    sa.Column("objective", sa.Double()),
    sa.Column("constraints", sa.JSON()),
    sa.Column("seed", sa.BigInteger()),
    sa.Column("subset_seed", sa.BigInteger()),
    sa.Column("budget_seconds", sa.Double()),
    sa.Column("budget_steps", sa.Integer()),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("folder", sa.String()),
    sa.Column("exit_code", sa.Integer()),
    sa.Column("host", sa.String()),
    sa.Column("slot", sa.String()),
    sa.Column("device", sa.String()),
    sa.Column("device_name", sa.String()),
    sa.Column("driver", sa.String()),
    sa.Column("versions", sa.JSON()),
    sa.Column("git_commit", sa.String()),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("purpose IN ('baseline', 'search', 'confirmation')", name="ck_trials_purpose"),
    sa.CheckConstraint(
        "state IN ('running', 'completed', 'failed', 'pruned', 'screened', 'duplicate')",
        name="ck_trials_state",
    ),
    sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_trials_study_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("id", name="pk_trials"),
    sa.UniqueConstraint("study_id", "number", name="uq_trials_study_id_number"),
)

_EVENTS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("study_id", sa.Integer(), nullable=False),
    sa.Column("trial_id", sa.Integer()),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("kind", sa.String(), nullable=False),
    sa.Column("detail", sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_events_study_id", ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_events_trial_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("id", name="pk_events"),
)

_MEASUREMENTS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("trial_id", sa.Integer(), nullable=False),
    sa.Column("ordinal", sa.Integer(), nullable=False),
    sa.Column("epoch", sa.Double()),
    sa.Column("step", sa.Integer()),
    sa.Column("progress", sa.Double()),
    sa.Column("elapsed_seconds", sa.Double()),
    sa.Column("learning_rate", sa.Double()),
    sa.Column("train_loss", sa.Double()),
    sa.Column("val_accuracy", sa.Double()),
    sa.Column("val_loss", sa.Double()),
    sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_measurements_trial_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("trial_id", "ordinal", name="pk_measurements"),
)

_MODELS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("name", sa.String(), nullable=False),
    sa.Column("network", sa.String(), nullable=False),
    sa.Column("depth", sa.Double(), nullable=False),
    sa.Column("width", sa.Double(), nullable=False),
    sa.Column("resolution", sa.Double(), nullable=False),
    sa.Column("dataset", sa.String(), nullable=False),
    sa.Column("image_size", sa.Integer()),
    sa.Column("hyperparameters", sa.JSON()),
    sa.Column("recipe", sa.String(), nullable=False),
    sa.Column("macs", sa.BigInteger(), nullable=False),
    sa.Column("parameters", sa.BigInteger(), nullable=False),
    sa.Column("val_accuracy", sa.Double(), nullable=False),
    sa.Column("status", sa.String(), nullable=False),
    sa.Column("study_id", sa.Integer(), nullable=False),
    sa.Column("trial_id", sa.Integer()),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('provisional', 'confirmed')", name="ck_models_status"),
    sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_models_study_id", ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_models_trial_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("id", name="pk_models"),
    sa.UniqueConstraint("name", "study_id", name="uq_models_name_study_id"),
)

_TABLES = {
    "studies": _STUDIES,
    "trials": _TRIALS,
    "measurements": _MEASUREMENTS,
    "models": _MODELS,
    "events": _EVENTS,
}
