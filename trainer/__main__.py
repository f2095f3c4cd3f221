"""`python -P -m trainer COMMAND`: arguments and exit codes (docs/trainer-protocol.md).

Importing torch takes seconds, so only a command that needs it imports it, and SIGTERM is handled first.
"""

import os
import signal
import sys
import time

BEGAN = time.monotonic()  # when the strict clock starts
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(143))
for descriptor in range(3):  # the next file opened would get the number of a closed one
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)

import argparse  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from trainer.errors import TrialError  # noqa: E402
from trainer.report import Report, take_stdout  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    report = Report(take_stdout())
    try:
        options.run(report, options)
    except TrialError as error:
        if getattr(options, "json", True):  # of the others stdout is for people
            report.error(error)
        print(f"{options.program}: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        if options.run not in (_predict, _export):
            raise
        return 130  # a person has pressed Ctrl-C, and needs no traceback
    return 0


def _train(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    parsed = config.read(options.config)
    from trainer import saved_model, trial  # imports torch: only for a valid configuration
    from trainer.checkpoint import Checkpoint

    path, seconds = options.checkpoint, options.checkpoint_seconds
    trained = trial.run(parsed, report, BEGAN, Checkpoint(path, parsed, seconds) if path else None)
    if parsed.keep_weights:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))  # the result is out
        saved_model.keep(trained, options.config.resolve().parent, report)


def _check(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    parsed = config.read(options.config)
    from trainer import trial

    trial.check(parsed, report)


def _describe(report: Report, options: argparse.Namespace) -> None:
    from trainer import describe

    describe.describe(report, options.check_data, options.latency, options.config)


def _latency(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    configs = [config.read(path) for path in options.config]
    from trainer import latency

    latency.compare(configs, report, options.seconds)


def _limits(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    parsed = config.read(options.config)
    from trainer import limits

    limits.limits(parsed, report, options.memory_bytes)


def _models(report: Report, options: argparse.Namespace) -> None:
    from trainer import models

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end silently with the reader, as in `models | head`
    for name in models.names():
        report.event("network", name=name, scales=list(models.scales(name)), summary=models.summary(name))


def _recipes(report: Report, options: argparse.Namespace) -> None:
    from trainer import recipes

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for name in recipes.names():
        report.event("recipe", name=name, **recipes.load(name).to_json())


def _predict(report: Report, options: argparse.Namespace) -> None:
    from trainer import predict, saved_model

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    model = saved_model.load(options.folder, views=options.views, trust_code=options.trust_code)
    layout: predict.Layout = "json" if options.json else "csv" if options.csv else "table"
    predict.predict(model, options.images, report, layout, options.device)


def _export(report: Report, options: argparse.Namespace) -> None:
    if options.config is not None:
        _export_untrained(report, options)
        return
    from trainer import export, saved_model

    facts = export.read_facts(options.facts)
    model = saved_model.load(options.folder, views=options.views, trust_code=options.trust_code)
    path, card, check = export.export(
        model,
        options.folder,
        options.to,
        options.output,
        dataset=options.data,
        licence=options.licence,
        facts=facts,
    )
    export.tell(report, path, card, check, as_event=options.json)


def _export_untrained(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    parsed = config.read(options.config)
    from trainer import export, untrained

    path = options.output or options.config.parent / f"model.{options.to}"
    path, check = untrained.export(parsed, options.to, path)
    export.tell(report, path, None, check, as_event=options.json)


def _host(report: Report, options: argparse.Namespace) -> None:
    from trainer import host

    host.host()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trainer", description="Train one configuration once.")
    parser.add_argument("--program", default="trainer", help=argparse.SUPPRESS)  # which a user has typed
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Report, argparse.Namespace], None], summary: str) -> Any:
        added = commands.add_parser(name, help=summary)
        added.set_defaults(run=run)
        return added

    train = command("train", _train, "train a configuration and print JSON lines")
    train.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    train.add_argument("--checkpoint", type=Path, metavar="FILE", help="to write, and to resume from")
    train.add_argument("--checkpoint-seconds", type=float, default=60.0, metavar="S", help="between two")
    check = command("check", _check, "do all that precedes a training's first step, and print the times")
    check.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    describe = command("describe", _describe, "describe configurations without training")
    describe.add_argument("--check-data", action="store_true", help="read the data set, too")
    describe.add_argument("--latency", action="store_true", help="time the forward pass of one image, too")
    describe.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE.json", help="instead of stdin"
    )
    latency = command("latency", _latency, "time networks on the CPU and their GPU, one image and a batch")
    latency.add_argument("--config", type=Path, action="append", required=True, metavar="FILE.json")
    latency.add_argument("--seconds", type=float, default=60.0, metavar="S", help="in all (default: 60)")
    limits = command("limits", _limits, "find the largest batch that a configuration can be trained with")
    limits.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    limits.add_argument("--memory-bytes", type=int, metavar="N", help="of CPU memory (default: what is free)")
    command("models", _models, "list the networks")
    command("recipes", _recipes, "list the recipes, with their ingredients and settings")
    _add_predict_arguments(
        command("predict", _predict, "predict the classes of images with a trained network")
    )
    export = command("export", _export, "write a trained network in a format that runs without this project")
    _add_export_arguments(export)
    command("host", _host, "fork a trial per request on the socket that is stdin")
    return parser


def _add_predict_arguments(predict: argparse.ArgumentParser) -> None:
    _add_model(predict)
    predict.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="files, or folders of images")
    printed = predict.add_mutually_exclusive_group()
    printed.add_argument("--json", action="store_true", help="print JSON lines")
    printed.add_argument("--csv", action="store_true", help="print CSV; scores go to stderr")
    predict.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def _add_export_arguments(export: argparse.ArgumentParser) -> None:
    whose = export.add_mutually_exclusive_group(required=True)
    _add_model(export, whose)
    whose.add_argument(
        "--config", type=Path, metavar="FILE.json", help="its network, untrained, without views"
    )
    export.add_argument("--to", required=True, choices=("onnx", "pt2", "safetensors"))
    export.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: FOLDER/export/model.FORMAT, or model.FORMAT beside FILE.json",
    )
    export.add_argument(
        "--data", metavar="DATASET", help="to compare with torch on (default: the training's)"
    )
    export.add_argument("--licence", "--license", metavar="TEXT", help="of the training data, for the card")
    export.add_argument(
        "--facts", type=Path, metavar="FILE.json", help="for the card, such as accuracy, latency"
    )
    export.add_argument("--json", action="store_true", help="print a JSON line")


def _add_model(parser: argparse.ArgumentParser, whose: Any = None) -> None:
    """Add the arguments that say which network. whose: a group of which one must be given."""
    (whose or parser).add_argument(
        "folder",
        type=Path,
        nargs="?" if whose else None,
        metavar="FOLDER",
        help="with model.json and model.safetensors",
    )
    parser.add_argument("--no-views", dest="views", action="store_false", help="without test-time views")
    parser.add_argument("--trust-code", action="store_true", help="run network.py of a network in a file")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
