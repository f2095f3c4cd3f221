"""Scores of a training besides its accuracy, and the one that a study seeks in its place."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    for name in ("score", "val_balanced_accuracy", "val_macro_f1", "val_top5_accuracy"):
        op.add_column("trials", sa.Column(name, sa.Double()))
    op.add_column("trials", sa.Column("val_class_accuracies", sa.JSON()))
    op.add_column("measurements", sa.Column("score", sa.Double()))
