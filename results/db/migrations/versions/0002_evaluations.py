"""Evaluations: studies and trials of that kind, recipes in plain sight, and both readings of the test images.

The recipe of older trials is taken out of their configurations.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _allow("studies", "kind", ("nas", "hpo", "evaluation"))
    _allow("trials", "purpose", ("baseline", "search", "confirmation", "evaluation"))
    op.add_column("trials", sa.Column("recipe", sa.String()))
    op.add_column("trials", sa.Column("test_accuracy_1000", sa.Double()))
    op.add_column("trials", sa.Column("test_loss", sa.Double()))
    op.add_column("models", sa.Column("ingredients", sa.JSON()))
    trials = sa.table("trials", sa.column("config", sa.JSON), sa.column("recipe", sa.String))
    op.execute(trials.update().values(recipe=trials.c.config["recipe"].as_string()))
    _refuse_broken_references()


def _allow(table: str, column: str, words: tuple[str, ...]) -> None:
    """Let `column` hold these words. SQLite has no way but to copy the table into a new one."""
    allowed = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as change:
        change.drop_constraint(f"ck_{table}_{column}", type_="check")
        change.create_check_constraint(f"ck_{table}_{column}", sa.text(f"{column} IN ({allowed})"))


def _refuse_broken_references() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        assert not broken, broken
