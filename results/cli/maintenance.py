"""The commands of `nas-results` that maintain a database: doctor, backup, migrate and delete."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from results import terminal
from results.cli.options import DEFAULT_DB, AsJson, Db, StudyName, expand_home
from results.db import backup, connection, schema
from results.errors import DeletionRefused, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import URL

    from results.cli.doctor import Finding

commands = typer.Typer()

_SIGNS = {"good": ("ok", "green"), "warning": ("warning", "yellow"), "fault": ("FAULT", "red")}


@commands.command("doctor")
def examine(
    repair: Annotated[bool, typer.Option("--repair", help="Fix what can be fixed safely.")] = False,
    runs: Annotated[
        Path,
        typer.Option(
            help="Folder for the trials' files; the free space of its disk is checked.", callback=expand_home
        ),
    ] = Path("runs"),
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Check the machine and the results database: GPU, torch, NOMAD, disk, schema, killed studies, files.

    The exit code is 1 if a fault remains.
    """
    from results.cli import doctor

    findings = [*doctor.machine(runs), *doctor.record(db, repair), *doctor.leftovers(db, runs)]
    findings += doctor.weights(db, repair)
    if as_json:
        typer.echo(terminal.json_text([asdict(finding) for finding in findings]))
    for finding in findings if not as_json else []:
        terminal.tell(_words(finding))
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)


@commands.command("backup")
def back_up(
    to: Annotated[
        Path | None,
        typer.Option(
            help="File to write.",
            callback=expand_home,
            show_default="beside the database, with the time in its name",
        ),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Copy the database. Searches may go on writing to it. The copy is checked before it gets its name."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    written = to or Path(f"{connection.display_name(connection.address(db))}.backup-{now}")
    size = backup.back_up(db, written)
    if as_json:
        typer.echo(json.dumps([{"file": str(written), "bytes": size}]))
    else:
        terminal.tell(f"{db} copied to {written}, {size / 2**20:.1f} MiB")


@commands.command()
def migrate(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Migrate the database of an older version. Searches do this themselves when they start."""
    url = _existing(db)
    engine = connection.connect(url, read_only=False)
    try:
        schema.prepare(engine)
    finally:
        engine.dispose()
    name = connection.display_name(url)
    if as_json:
        typer.echo(json.dumps([{"database": name, "schema": schema.REVISION}]))
    else:
        terminal.tell(f"{name} is at schema {schema.REVISION}")


@commands.command()
def delete(
    study: StudyName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if other studies began with a model or weights of this one.")
    ] = False,
    runs: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the trials' files.", callback=expand_home, show_default="the database's folder"
        ),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Delete a study: its rows, its saved models and its files. One that runs or is queued is refused."""
    from results.cli import deletion
    from results.db.search_queue import SearchQueue

    _existing(db)
    with SearchQueue(db) as queue, queue.lock_study(study):
        found = deletion.examine(queue, study, runs, force)
        for line in found.lines():
            terminal.tell(Text(line), sys.stderr if as_json else None)
        if not yes:
            _ask()
        deletion.carry_out(queue, found, runs)
    if as_json:
        typer.echo(terminal.json_text([{**asdict(found), "folders": [str(path) for path in found.folders]}]))
    else:
        terminal.tell(f"deleted {study}")


def _ask() -> None:
    """Go on only if somebody agrees."""
    if not sys.stdin.isatty():
        raise DeletionRefused("nothing is deleted: without a terminal nobody can be asked; give --yes")
    if not typer.confirm("Delete all this? It cannot be undone", err=True):
        typer.echo("nothing is deleted", err=True)
        raise typer.Exit(1)


def _existing(db: str) -> URL:
    """Return the address of the database. Raise StoreUnavailable if it is a file that does not exist."""
    url = connection.address(db)
    path = connection.sqlite_path(url)
    if path is not None and not path.is_file():
        raise StoreUnavailable(f"there is no database {path}; give its --db")
    return url


def _words(finding: Finding) -> Text:
    sign, colour = _SIGNS[finding.level]
    advice = f"; {finding.advice}" if finding.advice else ""
    return Text.assemble((f"{sign:8}", colour), f"{finding.subject}: {finding.found}{advice}")
