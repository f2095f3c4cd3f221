"""The options that commands of `nas-results` share."""

from typing import Annotated

import typer

DEFAULT_DB = "runs/results.db"

Db = Annotated[
    str,
    typer.Option(
        envvar="NAS_DB", help="The database: an SQLite file, or a URL such as postgresql://user@host/name."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, a list of objects, instead.")]
StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name, as `nas-results list` gives it.")
]
Optuna = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="An Optuna storage: an SQLite file, or an SQLAlchemy URL; made if missing."
    ),
]
