"""Trials that were stopped early, those that an audit left uncut, and the view of both."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("trials", sa.Column("audited", sa.Integer()))
    for name in ("stop_progress", "predicted_accuracy", "stop_bound"):
        op.add_column("trials", sa.Column(name, sa.Double()))
