"""The commands of `nas-results` that maintain a database: doctor, backup and migrate."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from results import terminal
from results.cli.options import DEFAULT_DB, AsJson, Db, expand_home
from results.db import backup, connection, schema
from results.errors import StoreUnavailable

if TYPE_CHECKING:
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
    """Check the machine and the results database: GPU, torch, NOMAD, disk, schema, killed studies.

    The exit code is 1 if a fault remains.
    """
    from results.cli import doctor

    findings = [*doctor.machine(runs), *doctor.record(db, repair)]
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
    url = connection.address(db)
    path = connection.sqlite_path(url)
    if path is not None and not path.is_file():
        raise StoreUnavailable(f"there is no database {path}; give its --db")
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


def _words(finding: Finding) -> Text:
    sign, colour = _SIGNS[finding.level]
    advice = f"; {finding.advice}" if finding.advice else ""
    return Text.assemble((f"{sign:8}", colour), f"{finding.subject}: {finding.found}{advice}")
