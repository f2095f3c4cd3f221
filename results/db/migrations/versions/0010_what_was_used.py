"""What trials used of a slot and of energy, and the hours and slots that a study may use.

Of older trials the last attempt's seconds are all that is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for name in ("slot_seconds", "energy_joules"):
        op.add_column("trials", sa.Column(name, sa.Double()))
    op.execute("UPDATE trials SET slot_seconds = wall_seconds WHERE attempts > 0")
    op.add_column("studies", sa.Column("budget_slot_hours", sa.Double()))
    op.add_column("studies", sa.Column("slots", sa.Integer()))
    op.add_column("studies", sa.Column("begun_at", sa.DateTime(timezone=True)))
