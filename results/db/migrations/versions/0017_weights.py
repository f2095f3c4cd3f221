"""The size of the files that a trial keeps of its network, and the seconds that writing them took."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("trials", sa.Column("weights_bytes", sa.BigInteger()))
    op.add_column("trials", sa.Column("weights_seconds", sa.Double()))
