"""A command line from a table of options: typer's parameters are made from the model's fields.

What is typed is text, and becomes numbers here. The model checks all values, so its messages are the same as
by REST.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from orchestrator.cli import config
from orchestrator.cli.completion import complete
from orchestrator.spec.command_options import PANELS, BadOption, CommandOptions, Option
from results import terminal
from results.cli.options import Version

Given = Mapping[str, Any]  # options by name, as typed or as in a file

_SHOWN = {int: "INTEGER", float: "FLOAT", str: "TEXT", list[str]: "TEXT", Path: "PATH"}
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def run_command(model: type[CommandOptions], act: Callable[[Given], None]) -> None:
    """Read the command line and call `act` with what was given. Print one line if it cannot be read."""
    run_app(model.program, app(model, act, in_full="--help" not in sys.argv))


def run_app(program: str, made: typer.Typer) -> None:
    """Read the command line and run the command. Print one line if it cannot be read."""
    terminal.prepare()
    try:
        code = made(standalone_mode=False)
    except typer.Abort:
        code = 130
    except (typer.TyperException, BadOption) as error:
        said = error.format_message() if isinstance(error, typer.TyperException) else error
        line = " ".join(f"{program}: {said}".split())
        print(terminal.strip_escapes(line), file=sys.stderr)  # noqa: T201
        code = 2
    sys.exit(code or 0)


def app(model: type[CommandOptions], act: Callable[[Given], None], in_full: bool = True) -> typer.Typer:
    """Return the command whose options are the fields of `model`; its help shows all or the ten."""

    def command(context: typer.Context, **values: Any) -> None:
        options = model.options()
        given = {
            name: options[name].read_text(value) if isinstance(value, str) and name in options else value
            for name, value in values.items()
            if value not in (None, False, [])
        }
        _refuse_bare_words(model, context.args, given)
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
        context_settings={"help_option_names": [], "allow_extra_args": True},
    )(command)
    return made


def _parameters(model: type[CommandOptions], in_full: bool) -> Iterator[inspect.Parameter]:
    """Yield typer's parameters: the model's options, those that were removed, --version and --help."""
    yield inspect.Parameter("context", _KEYWORD, annotation=typer.Context)
    options = list(model.options().values())
    if in_full:
        options.sort(key=lambda one: PANELS.index(one.facts["panel"]))
    for option in options:
        panel = option.facts["panel"] if in_full else "The options that matter most"
        told = _typer_option(option, panel, is_hidden=not in_full and option.keyword not in model.ten)
        kind = option.kind if option.kind in (bool, list[str]) else str
        as_text = Annotated[kind | None, told]  # type: ignore[valid-type]
        yield inspect.Parameter(option.keyword, _KEYWORD, default=None, annotation=as_text)
    for name in model.removed:
        hidden = Annotated[str | None, typer.Option(f"--{name}", hidden=True)]
        yield inspect.Parameter(name, _KEYWORD, default=None, annotation=hidden)
    yield inspect.Parameter("version", _KEYWORD, default=False, annotation=Version)
    for name, shown in (
        ("help", "the options that matter most"),
        ("help_all", f"all {len(options)} options"),
    ):
        told = typer.Option(
            f"--{name.replace('_', '-')}",
            help=f"Show {shown}, and exit.",
            callback=_print_help,
            is_eager=True,
            show_default=False,
        )
        yield inspect.Parameter(name, _KEYWORD, default=False, annotation=Annotated[bool, told])


def _print_help(context: typer.Context, is_asked: bool) -> None:
    if is_asked:
        typer.echo(context.get_help())
        raise typer.Exit


def _refuse_bare_words(model: type[CommandOptions], words: Sequence[str], given: Given) -> None:
    """Raise BadOption for words that belong to no option; the first may lack the option's name."""
    first = model.ten[0]
    if words:
        remedy = f"see {model.program} --help" if first in given else f"write --{first} {words[0]}"
        raise BadOption(f"{words[0]} has no option before it; {remedy}")


def _typer_option(option: Option, panel: str, is_hidden: bool) -> Any:
    return typer.Option(
        option.flag,
        help=escape(option.help),
        rich_help_panel=panel,
        metavar=_SHOWN.get(option.kind),
        show_default=False,
        hidden=is_hidden,
        autocompletion=complete(option),
    )
