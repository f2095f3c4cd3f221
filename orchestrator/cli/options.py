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

from orchestrator.cli import config
from orchestrator.cli.completion import complete
from orchestrator.spec.options import PANELS, REMOVED, BadOption, Option, RunOptions
from results import terminal

Given = Mapping[str, Any]  # options by name, as typed or as in a file

_SHOWN = {int: "INTEGER", float: "FLOAT", str: "TEXT", list[str]: "TEXT", Path: "PATH"}


def run_command(model: type[RunOptions], act: Callable[[Given], None]) -> None:
    """Read the command line and call `act` with what was given. Print one line if it cannot be read."""
    terminal.prepare()
    try:
        code = app(model, act, in_full="--help" not in sys.argv)(standalone_mode=False)
    except typer.Abort:
        code = 130
    except (typer.TyperException, BadOption) as error:
        said = error.format_message() if isinstance(error, typer.TyperException) else error
        print(terminal.strip_escapes(f"{model.program}: {said}"), file=sys.stderr)  # noqa: T201
        code = 2
    sys.exit(code or 0)


def app(model: type[RunOptions], act: Callable[[Given], None], in_full: bool = True) -> typer.Typer:
    """Return the command whose options are the fields of `model`; its help shows all or the ten."""

    def command(version: bool, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value not in (None, False, [])}
        if "config" in given:
            given = {**config.read_config(Path(given["config"]).expanduser(), model), **given}
        for name in REMOVED.keys() & given:  # the command goes on, so that older studies can resume
            print(f"{model.program}: --{name} was removed and is ignored: {REMOVED[name]}", file=sys.stderr)  # noqa: T201
        if "write_config" in given:
            path = Path(given["write_config"]).expanduser()
            config.write_config(path, model, given)
            print(f"wrote {path}; run it with {model.program} --config {path}")  # noqa: T201
        else:
            act(given)

    options = list(model.options().values())
    if in_full:
        options.sort(key=lambda one: PANELS.index(one.facts["panel"]))
    parameters = [_parameter(one, None if in_full else one.name in model.ten) for one in options]
    parameters += [_keyword(name, str | None, typer.Option(f"--{name}", hidden=True)) for name in REMOVED]
    told = typer.Option(
        "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
    )
    parameters.append(_keyword("version", bool, told, default=False))
    command.__doc__ = "\n\n".join(" ".join(part.split()) for part in str(model.__doc__).split("\n\n"))
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    rest = [] if in_full else [f"All {len(options)} options: {model.program} --help-all"]
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command(
        epilog="\n\n".join(("Examples:", *model.examples, *rest)),
        context_settings={"help_option_names": ["--help", "--help-all"]},
    )(command)
    return made


def _parameter(option: Option, is_one_of_ten: bool | None) -> inspect.Parameter:
    """Return typer's parameter; `is_one_of_ten` is None if the help shows all options."""
    told = typer.Option(
        option.flag,
        help=escape(option.help),
        rich_help_panel=option.facts["panel"] if is_one_of_ten is None else "The options that matter most",
        metavar=_SHOWN.get(option.kind),
        envvar=option.facts["environment"],
        show_default=False,
        hidden=is_one_of_ten is False,
        autocompletion=complete(option),
    )
    kind = option.kind if option.kind in (bool, list[str]) else str
    return _keyword(option.name, kind | None, told)


def _keyword(name: str, kind: Any, told: Any, default: Any = None) -> inspect.Parameter:
    annotation = Annotated[kind, told]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _print_version(is_asked: bool) -> None:
    from importlib.metadata import version

    if is_asked:
        print(f"nomad-nas {version('nomad-nas')}")  # noqa: T201
        raise typer.Exit
