"""`nas-export` and `nas-predict`: the trainer's commands for a network that a study has trained."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import run_app
from orchestrator.spec.command_options import check
from results import file_names
from results.cli.options import Version, expand_home, recorded_names

FORMATS = ("onnx", "pt2", "safetensors")
DEVICES = ("auto", "cpu", "cuda")

# the database and the trainer are imported by the command that needs them: --help answers at once


def nas_export() -> None:
    """The entry point `nas-export`."""
    run_app("nas-export", export_app())


def nas_predict() -> None:
    """The entry point `nas-predict`."""
    run_app("nas-predict", predict_app())


def export_app() -> typer.Typer:
    return _app(
        _export,
        "nas-export nomad_senet18 --to onnx --licence 'CC BY 4.0'",
        "nas-export nomad_senet18 --to pt2 --no-views --output small.pt2",
    )


def predict_app() -> typer.Typer:
    return _app(
        _predict,
        "nas-predict nomad_senet18 photo.jpg photos/",
        "nas-predict nomad_senet18 photos/ --csv > labels.csv",
        "nas-predict my-study:12 photos/",
    )


def _complete_model(context: typer.Context) -> list[str]:
    database, runs = context.params.get("db"), context.params.get("runs")
    return recorded_names("models", _database(database or os.environ.get("NAS_DB"), Path(runs or "runs")))


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A saved model's name, STUDY:NUMBER for a trial, or a folder with model.json.",
        autocompletion=_complete_model,
    ),
]
NoViews = Annotated[bool, typer.Option("--no-views", help="Leave the recipe's test-time views out.")]
TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Run network.py, of a network that was defined in a file.")
]
Db = Annotated[
    str | None,
    typer.Option(
        envvar="NAS_DB",
        metavar="TEXT",
        help="Results database: an SQLite file or an SQLAlchemy URL.",
        show_default=f"RUNS/{file_names.DATABASE}",
    ),
]
Runs = Annotated[
    Path, typer.Option(metavar="PATH", help="Folder for the trials' files.", callback=expand_home)
]


def _export(
    model: Model,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="onnx, for ONNX Runtime and others; pt2, for torch alone; or safetensors, weights alone.",
            autocompletion=lambda: list(FORMATS),
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write. An existing file is replaced.",
            show_default="MODEL.FORMAT, in this folder",
            callback=expand_home,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET", help="Images to compare with torch on.", show_default="those of the training"
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", "--license", metavar="TEXT", help="Licence of the training data, for the model card."
        ),
    ] = None,
    no_views: NoViews = False,
    trust_code: TrustCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line instead.")] = False,
    db: Db = None,
    runs: Runs = Path("runs"),
    version: Version = False,
) -> None:
    """Write a trained network as a file that runs without this project, and a model card beside it.

    The file is compared with torch before it gets its name.
    """
    check(to in FORMATS, f"--to {to} is unknown; give one of {', '.join(FORMATS)}")
    options = ["--to", to, "--output", str(output or _usual_output(model, to))]
    options += [f"--data={data}"] if data is not None else []
    options += [f"--licence={licence}"] if licence is not None else []
    _run(
        "nas-export",
        model,
        db,
        runs,
        options + _flags(no_views=no_views, trust_code=trust_code, json=as_json),
    )


def _predict(
    model: Model,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…",
            help="Image files, or folders of images. A folder of folders named after classes is scored, too.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV; scores go to stderr.")] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Where the network runs: auto, cpu or cuda.",
            autocompletion=lambda: list(DEVICES),
        ),
    ] = "auto",
    no_views: NoViews = False,
    trust_code: TrustCode = False,
    db: Db = None,
    runs: Runs = Path("runs"),
    version: Version = False,
) -> None:
    """Predict the classes of images with a trained network, prepared exactly as in its training.

    Exit code 2: some image cannot be read, or the folders are not those of the network's classes.
    """
    check(not (as_json and as_csv), "--json and --csv are two layouts; give one of them")
    check(device in DEVICES, f"--device {device} is unknown; give one of {', '.join(DEVICES)}")
    flags = _flags(no_views=no_views, trust_code=trust_code, json=as_json, csv=as_csv)
    _run("nas-predict", model, db, runs, ["--device", device, *flags], images)


def _run(
    program: str, model: str, db: str | None, runs: Path, options: list[str], images: Sequence[str] = ()
) -> None:
    """Run the trainer's command of the same name on a model's weights, and exit with its code."""
    from orchestrator import trained_models
    from orchestrator.cli import main
    from results import queries

    def act() -> None:
        database, named = _database(db, runs), os.path.expanduser(model)
        folder = queries.weights(database, named)
        name = program.removeprefix("nas-")
        with ExitStack() as stack:
            if name == "export":
                options.extend(stack.enter_context(trained_models.write_facts(database, named)))
            command = trained_models.make_command(name, folder, options, images)
            raise typer.Exit(trained_models.run_to_end(command))

    main.report_errors(program, act)


def _app(command: Callable[..., None], *examples: str) -> typer.Typer:
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command(epilog="\n\n".join(("Examples:", *examples)))(command)
    return made


def _database(db: str | None, runs: Path) -> str:
    return os.path.expanduser(db) if db else str(runs.expanduser() / file_names.DATABASE)


def _usual_output(model: str, to: str) -> Path:
    stem = re.sub(r"[^\w.-]", "_", Path(model).resolve().name)
    return Path(f"{stem}.{to}")


def _flags(**given: bool) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
