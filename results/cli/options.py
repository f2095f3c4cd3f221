"""The options that commands of `nas-results` share."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from results import file_names
from results.errors import StoreError

DEFAULT_DB = f"runs/{file_names.DATABASE}"


def complete_study(context: typer.Context) -> list[str]:
    """Return the names of the recorded studies, for the shell."""
    return recorded_names("studies", context.params.get("db") or DEFAULT_DB)


def recorded_names(what: Literal["studies", "models"], database: str) -> list[str]:
    """Return the names of the recorded studies or models; none where there is no database."""
    from results.db.store import Store  # sqlalchemy: only to complete

    try:
        with Store(database, read_only=True) as store:
            return list(dict.fromkeys(row.name for row in getattr(store, what)()))
    except StoreError:
        return []


def expand_home(path: Path | None) -> Path | None:
    """Return the path with `~` as the home folder."""
    return path and path.expanduser()


def read_number(text: str) -> int:
    """Return the number of a trial."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a whole number; give one like 12") from None


def read_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of trials that are separated by commas."""
    return tuple(read_number(word.strip()) for word in text.split(","))


def print_version(is_asked: bool) -> None:
    """Print the version and exit."""
    if is_asked:
        typer.echo(f"nomad-nas {version('nomad-nas')}")
        raise typer.Exit


Db = Annotated[
    str,
    typer.Option(
        envvar="NAS_DB",
        help="Results database: an SQLite file, or a URL such as postgresql://user@host/name.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead: a list of objects.")]
StudyName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="Name of the study, as in `nas-results list`.", autocompletion=complete_study
    ),
]
Optuna = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Optuna storage: an SQLite file or an SQLAlchemy URL. Created if missing."
    ),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for TensorBoard's files, one of each training. Created if missing.",
        callback=expand_home,
    ),
]
Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version and exit.", callback=print_version, is_eager=True),
]
