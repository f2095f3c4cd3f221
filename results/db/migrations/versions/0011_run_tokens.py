"""Which run of a study may write to it: none of those before, until the next one takes it up."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("studies", sa.Column("run_token", sa.String()))
