"""The history of the tables, as Alembic migrations that need no alembic.ini: they run when a store opens."""

from pathlib import Path

from sqlalchemy import Connection

_FOLDER = Path(__file__).parent


def revisions() -> list[str]:
    """The names of all revisions, oldest first: each is the number its file's name begins with."""
    return sorted(file.name.split("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision and make the views anew, in the connection's transaction."""
    from alembic import command  # a second to import, and needed only here
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
