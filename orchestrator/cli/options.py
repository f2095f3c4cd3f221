"""A command line from a table of options: typer's parameters are made from the model's fields.

Everything typed is text here. The model reads it, so that its messages are the same by every door.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from orchestrator.spec.options import REMOVED, Option, RunOptions
from results import terminal

Given = Mapping[str, Any]  # options by name, as typed
_SHOWN = {int: "INTEGER", float: "FLOAT", str: "TEXT", list[str]: "TEXT", Path: "PATH"}


def run_command(model: type[RunOptions], act: Callable[[Given], None]) -> None:
    """Read the command line and call `act` with what was given. Print one line if it cannot be read."""
    terminal.prepare()
    try:
        code = app(model, act)(standalone_mode=False)
    except typer.TyperException as error:
        print(terminal.strip_escapes(f"{model.program}: {error.format_message()}"), file=sys.stderr)  # noqa: T201
        code = 2
    except typer.Abort:
        code = 130
    sys.exit(code or 0)


def app(model: type[RunOptions], act: Callable[[Given], None]) -> typer.Typer:
    """Return the command whose options are the fields of `model`."""

    def command(**values: Any) -> None:
        given = {name: value for name, value in values.items() if value not in (None, False, [])}
        for name in REMOVED.keys() & given:  # the command goes on, so that older studies can resume
            print(f"{model.program}: --{name} was removed and is ignored: {REMOVED[name]}", file=sys.stderr)  # noqa: T201
        act(given)

    parameters = [_parameter(option) for option in model.options().values()]
    parameters += [_keyword(name, str | None, typer.Option(f"--{name}", hidden=True)) for name in REMOVED]
    command.__doc__ = "\n\n".join(" ".join(part.split()) for part in str(model.__doc__).split("\n\n"))
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    made.command()(command)
    return made


def _parameter(option: Option) -> inspect.Parameter:
    told = typer.Option(
        option.flag,
        help=escape(option.help),
        rich_help_panel=option.facts["panel"],
        metavar=_SHOWN.get(option.kind),
        envvar=option.facts["environment"],
        show_default=False,
    )
    kind = option.kind if option.kind in (bool, list[str]) else str
    return _keyword(option.name, kind | None, told)


def _keyword(name: str, kind: Any, told: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, told]
    )
