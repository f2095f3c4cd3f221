"""Trials that were confirmed or rejected, and models with an interval and a probability."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("trials", sa.Column("verdict", sa.String()))
    op.add_column("trials", sa.Column("probability", sa.Double()))
    op.add_column("models", sa.Column("trainings", sa.Integer()))
    for name in ("accuracy_low", "accuracy_high", "probability"):
        op.add_column("models", sa.Column(name, sa.Double()))
