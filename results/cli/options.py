"""The options that commands of `nas-results` share."""

from typing import Annotated

import typer

from results import file_names

DEFAULT_DB = f"runs/{file_names.DATABASE}"

Db = Annotated[
    str,
    typer.Option(
        envvar="NAS_DB",
        help="Results database: an SQLite file, or a URL such as postgresql://user@host/name.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead: a list of objects.")]
StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of the study, as in `nas-results list`.")
]
Optuna = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Optuna storage: an SQLite file or an SQLAlchemy URL. Created if missing."
    ),
]
