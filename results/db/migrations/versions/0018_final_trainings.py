"""Final trainings: studies and trials of that kind, and models of which only the test accuracy is known."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    _allow("studies", "kind", ("nas", "hpo", "evaluation", "training"))
    _allow("trials", "purpose", ("baseline", "search", "confirmation", "evaluation", "training"))
    _allow("models", "status", ("provisional", "confirmed", "trained"))
    with op.batch_alter_table("models") as change:
        change.alter_column("val_accuracy", existing_type=sa.Double(), nullable=True)
        change.add_column(sa.Column("test_accuracy", sa.Double()))


def _allow(table: str, column: str, words: tuple[str, ...]) -> None:
    """Let `column` hold these words. SQLite has no way but to copy the table into a new one."""
    allowed = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as change:
        change.drop_constraint(f"ck_{table}_{column}", type_="check")
        change.create_check_constraint(f"ck_{table}_{column}", sa.text(f"{column} IN ({allowed})"))
