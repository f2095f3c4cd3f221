"""Trials and models that were compared with the base network by trainings of the same images and seeds."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    for table in ("trials", "models"):
        for name in ("difference", "difference_low", "difference_high", "shared_noise"):
            op.add_column(table, sa.Column(name, sa.Double()))
        op.add_column(table, sa.Column("pairs", sa.Integer()))
