"""What the solver believed of a trial when it chose it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("trials", sa.Column("belief", sa.JSON()))
