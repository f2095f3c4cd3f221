"""`nas-results`: read the results database. The commands that write to it are in `maintenance.py`."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from typer.core import TyperGroup

from results import export, queries, tables, terminal
from results.analysis.posterior import VerdictSettings
from results.cli import maintenance
from results.cli.options import (
    DEFAULT_DB,
    AsJson,
    Db,
    Optuna,
    StudyName,
    TensorBoard,
    Version,
    complete_study,
    expand_home,
    read_number,
    read_numbers,
)
from results.errors import StoreError
from results.format import plain_rows, quantity
from results.scores import sought_score
from results.tables import evaluation_table, front_table, slack_table

if TYPE_CHECKING:
    from results.mirror import MirrorResult


class _OneLineErrors(TyperGroup):
    """Reports what is wrong with its words, the database or its own output in one line, and exits with 2."""

    def main(self, *args: Any, **settings: Any) -> Any:
        words = args[0] if args else settings.get("args")
        if not (sys.argv[1:] if words is None else words):
            return super().main(*args, **settings)  # prints the help
        try:
            sys.exit(super().main(*args, **{**settings, "standalone_mode": False}) or 0)
        except typer.TyperException as error:  # which typer would draw a frame around
            where = getattr(error, "ctx", None)
            remedy = f"; see {where.command_path} --help" if where else ""
            said = f"error: {error.format_message().rstrip('.')}{remedy}"
            typer.echo(terminal.strip_escapes(" ".join(said.split())), err=True)
            sys.exit(2)

    def invoke(self, ctx: Any) -> Any:
        try:
            answer = super().invoke(ctx)
            if ctx.invoked_subcommand != "mirror":  # it goes on when nobody reads its output
                terminal.check_output()
        except BrokenPipeError:
            raise typer.Exit(1) from None  # its reader has read enough, as head has
        except (StoreError, terminal.OutputLost) as error:
            typer.echo(terminal.strip_escapes(f"error: {error}"), err=True)
            raise typer.Exit(2) from error
        return answer


def nas_results() -> None:
    """The entry point `nas-results`."""
    terminal.prepare()
    main()


main = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Read the results of nas-search, hpo-search, nas-evaluate and nas-train. Times are UTC.",
)

main.add_typer(maintenance.commands)


@main.callback()
def _of_all_commands(version: Version = False) -> None:
    """Options before the command's name."""


@main.command("list")
def list_studies(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the studies, oldest first."""
    studies = queries.study_rows(db)
    _print(tables.studies_table(studies), export.records(studies), as_json)


@main.command()
def trials(study: StudyName, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the trials of a study, also those that failed, were skipped or are running."""
    frame, asked = queries.trials(db, study), export.records(queries.studies(db, study))[0]
    _print(tables.trials_table(frame, asked), export.records(frame), as_json)


@main.command()
def best(
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Only this study.", autocompletion=complete_study)
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show the best trial of each study: the smallest accurate network, or the most accurate one."""
    frame = queries.best(db, study)
    _print(tables.best_table(frame), export.records(frame), as_json)


@main.command("show")
def show_one(
    study: StudyName,
    trial: Annotated[
        int | None,
        typer.Argument(metavar="[TRIAL]", help="Number of one of its trials.", parser=read_number),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show everything about a study, or about one of its trials."""
    from results.cli import show

    if trial is None:
        facts = show.study_facts(db, study)
        _print(show.study_words(facts), [facts], as_json)
    else:
        facts, asked = show.trial_facts(db, study, trial), export.records(queries.studies(db, study))[0]
        _print(show.trial_words(facts, asked), [facts], as_json)


@main.command()
def slack(study: StudyName, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show the accuracy trade-off: the smallest networks at, above and below the required accuracy."""
    frame, asked = queries.slack(db, study), export.records(queries.studies(db, study))[0]
    level, sought = VerdictSettings.read(asked["question"]).level, sought_score(asked["question"])
    _print(slack_table(frame, sought, level), export.records(frame), as_json)


@main.command()
def front(
    study: StudyName,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table to this CSV file.", callback=expand_home)
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show the Pareto front of a study: networks that no other beats in both size and accuracy."""
    frame, question = queries.front(db, study), queries.studies(db, study)["question"][0]
    if csv is not None:
        export.write_csv(frame, csv)
    _print(front_table(frame, sought_score(question)), export.records(frame), as_json)


@main.command()
def evaluation(
    study: StudyName,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table to this CSV file.", callback=expand_home)
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Rank the pairs of model and recipe of an evaluation: mean and standard deviation (sd) over n runs."""
    frame = queries.evaluation(db, study)
    if csv is not None:
        export.write_csv(frame, csv)
    _print(evaluation_table(frame), export.records(frame), as_json)


@main.command()
def models(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the saved models, and where their weights are. A name that several have means the newest."""
    frame = queries.models(db)
    places = [f"weights of {row['name']}: {row['weights']}" for row in plain_rows(frame) if row["weights"]]
    _print(Group(tables.models_table(frame), *map(Text, places)), export.records(frame), as_json)


@main.command("export")
def export_trials(
    study: StudyName,
    to: Annotated[
        Path | None, typer.Option(help="File to write. An existing file is replaced.", callback=expand_home)
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv, parquet or json.", show_default="from the file's suffix"),
    ] = None,
    optuna: Optuna = None,
    tensorboard: TensorBoard = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Write the trials of a study to a CSV, Parquet or JSON file, an Optuna storage or for TensorBoard."""
    if [to, optuna, tensorboard].count(None) != 2:
        raise export.ExportError(
            "give a file to write (--to), an Optuna storage (--optuna) or a folder (--tensorboard)"
        )
    if tensorboard is not None:
        from results import tensorboard_mirror

        _tell_brought(tensorboard_mirror.export(db, study, tensorboard), study, as_json)
        return
    if to is None:
        from results import optuna_mirror

        _tell_brought(optuna_mirror.export(db, study, str(optuna)), study, as_json)
        return
    count = export.export(db, study, to, form)
    _print(
        f"{quantity(count, 'trial')} written to {to}",
        [{"study": study, "file": str(to), "trials": count}],
        as_json,
    )


@main.command()
def mirror(
    study: StudyName,
    optuna: Optuna = None,
    tensorboard: TensorBoard = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two updates.")] = 5.0,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Keep an Optuna storage or TensorBoard's files up to date with a running study. Stop it with Ctrl-C."""

    def tell(brought: MirrorResult) -> None:
        _tell_brought(brought, study, as_json)

    if optuna is not None and tensorboard is not None:
        raise export.ExportError("give --optuna or --tensorboard; run the command twice for both")
    with suppress(KeyboardInterrupt):
        if tensorboard is not None:
            from results import tensorboard_mirror
            from results.mirror import follow

            folder = tensorboard
            follow(lambda: tensorboard_mirror.export(db, study, folder), interval, tell)
        else:
            from results import optuna_mirror

            optuna_mirror.mirror(db, study, optuna or "runs/optuna.db", interval, tell)


def _tell_brought(brought: MirrorResult, study: str, as_json: bool) -> None:
    words = (
        f"{study}: {brought.added} trials added, {brought.ended} ended, of {brought.total}; {brought.state}"
    )
    _print(words, [{"study": study, **asdict(brought)}], as_json)


@main.command()
def report(
    study: StudyName,
    out: Annotated[
        Path | None,
        typer.Option(
            help="HTML file to write.", callback=expand_home, show_default="STUDY.html, in this folder"
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="STUDY", help="Another study to compare with.", autocompletion=complete_study),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            help="Also write each plot to this folder, as PNG and SVG. Needs Chrome or Chromium.",
            callback=expand_home,
        ),
    ] = None,
    trials: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS", help="Trials whose curves are shown, such as 3,7.", show_default="all"
        ),
    ] = "",
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Write a report with plots and tables: one HTML page that works offline."""
    from results import report as reports  # here, since plotly takes a second to import

    chosen = read_numbers(trials) if trials else ()
    written = reports.write(db, study, out, compare, figures, chosen)
    _print(
        "\n".join(f"written: {path}" for path in written), [{"file": str(path)} for path in written], as_json
    )


def _print(words: RenderableType, objects: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(terminal.json_text(objects))
    else:
        terminal.tell(words)
