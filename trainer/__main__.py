"""`python -P -m trainer train|describe|models|host`: arguments and exit codes (docs/trainer-protocol.md).

Nothing heavy is imported until a command needs it, and SIGTERM is heard before
anything else happens, for importing torch takes seconds.
"""

import os
import signal
import sys
import time

BEGAN = time.monotonic()  # the strict clock's zero
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(143))

import argparse  # noqa: E402
from pathlib import Path  # noqa: E402

from trainer.errors import TrialError  # noqa: E402
from trainer.report import Report, own_stdout  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    report = Report(own_stdout())
    try:
        if options.command == "train":
            _train(report, options)
        elif options.command == "describe":
            _describe(report, options.check_data)
        elif options.command == "host":
            _host()
        else:
            _models(report)
    except TrialError as error:
        report.error(error)
        print(f"trainer: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _train(report: Report, options: argparse.Namespace) -> None:
    from trainer import config

    parsed = config.read(options.config)
    from trainer import trial  # torch with it: only once the configuration stands
    from trainer.checkpoint import Checkpoint

    path, seconds = options.checkpoint, options.checkpoint_seconds
    trial.run(parsed, report, BEGAN, Checkpoint(path, parsed, seconds) if path else None)


def _describe(report: Report, check_data: bool) -> None:
    from trainer import describe

    describe.describe(report, check_data)


def _models(report: Report) -> None:
    from trainer import models

    for name in models.names():
        report.event("network", name=name, scales=list(models.scales(name)), summary=models.summary(name))


def _host() -> None:
    from trainer import host

    host.host()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trainer", description="Train one configuration once.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train a configuration and print JSON lines")
    train.add_argument("--config", type=Path, required=True, metavar="FILE.json")
    train.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="go on from it if it is there; kept while training"
    )
    train.add_argument("--checkpoint-seconds", type=float, default=60.0, metavar="S", help="between two")
    describe = commands.add_parser("describe", help="answer configurations on stdin without training")
    describe.add_argument("--check-data", action="store_true", help="open the data set, too")
    commands.add_parser("models", help="list the networks")
    commands.add_parser("host", help="fork a trial per request on the socket that is stdin")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
