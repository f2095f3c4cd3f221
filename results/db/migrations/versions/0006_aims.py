"""What a study seeks, measured latencies, and further objectives."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("minimise", "maximise"):
        op.add_column("studies", sa.Column(name, sa.String()))
    op.execute("UPDATE studies SET minimise = 'macs' WHERE kind = 'nas'")
    op.execute("UPDATE studies SET maximise = 'accuracy' WHERE kind = 'hpo'")
    for table in ("trials", "models"):
        op.add_column(table, sa.Column("latency_ms", sa.Double()))
    op.add_column("trials", sa.Column("latency_iqr_ms", sa.Double()))
    op.add_column("trials", sa.Column("other_objectives", sa.JSON()))
