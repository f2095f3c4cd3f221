"""A command line from a table of options: typer's parameters are made from the model's fields.

Everything typed is text here. The model reads it, so its messages are the same as by REST.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from orchestrator.cli import config
from orchestrator.cli.completion import complete
from orchestrator.spec.options import PANELS, BadOption, CommandOptions, Option
from results import terminal
from results.cli.options import Version

Given = Mapping[str, Any]  # options by name, as typed or as in a file

_SHOWN = {int: "INTEGER", float: "FLOAT", str: "TEXT", list[str]: "TEXT", Path: "PATH"}
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def run_command(model: type[CommandOptions], act: Callable[[Given], None]) -> None:
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


def app(model: type[CommandOptions], act: Callable[[Given], None], in_full: bool = True) -> typer.Typer:
    """Return the command whose options are the fields of `model`; its help shows all or the ten."""

    def command(version: bool, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value not in (None, False, [])}
        if "config" in given:
            given = {**config.read_config(Path(given["config"]).expanduser(), model), **given}
        for name in model.removed.keys() & given:  # the command goes on, so that older studies can resume
            said = f"--{name} was removed and is ignored: {model.removed[name]}"
            print(f"{model.program}: {said}", file=sys.stderr)  # noqa: T201
        if "write_config" in given:
            path = Path(given["write_config"]).expanduser()
            config.write_config(path, model, given)
            print(f"wrote {path}; run it with {model.program} --config {path}")  # noqa: T201
        else:
            act(given)

    parameters = list(_parameters(model, in_full))
    command.__doc__ = "\n\n".join(" ".join(part.split()) for part in str(model.__doc__).split("\n\n"))
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    rest = [] if in_full else [f"All {len(model.model_fields)} options: {model.program} --help-all"]
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command(
        epilog="\n\n".join(("Examples:", *model.examples, *rest)),
        context_settings={"help_option_names": ["--help", "--help-all"]},
    )(command)
    return made


def _parameters(model: type[CommandOptions], in_full: bool) -> Iterator[inspect.Parameter]:
    """Yield typer's parameters: the model's options, those that were removed, and --version."""
    options = list(model.options().values())
    if in_full:
        options.sort(key=lambda one: PANELS.index(one.facts["panel"]))
    for option in options:
        panel = option.facts["panel"] if in_full else "The options that matter most"
        told = _typer_option(option, panel, is_hidden=not in_full and option.name not in model.ten)
        kind = option.kind if option.kind in (bool, list[str]) else str
        yield inspect.Parameter(option.name, _KEYWORD, default=None, annotation=Annotated[kind | None, told])
    for name in model.removed:
        hidden = Annotated[str | None, typer.Option(f"--{name}", hidden=True)]
        yield inspect.Parameter(name, _KEYWORD, default=None, annotation=hidden)
    yield inspect.Parameter("version", _KEYWORD, default=False, annotation=Version)


def _typer_option(option: Option, panel: str, is_hidden: bool) -> Any:
    return typer.Option(
        option.flag,
        help=escape(option.help),
        rich_help_panel=panel,
        metavar=_SHOWN.get(option.kind),
        envvar=option.facts["environment"],
        show_default=False,
        hidden=is_hidden,
        autocompletion=complete(option),
    )
