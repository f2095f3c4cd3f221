"""One session on a GPU: checks, speed, accuracy, and what each ingredient gives, as far as the time goes.

    python benchmarks/gpu.py --data cifar10 --minutes 9.5 --out benchmarks/results/gpu

Run the same command again to go on: a step that is done is not done again, and accuracy goes on run by run
from its file. Steps run in order, each within its own limit; what is not begun when the minutes are over
waits for the next call. Needs torch, torchvision, timm, numpy, scikit-learn, pytest; nothing of a search.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _setting import setting
from _training import ROOT

FOLDER = Path(__file__).resolve().parent
DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy")
_LEAST_SECONDS = 20.0  # for which a step is begun
_STOPPED, _UNFINISHED = 124, 3  # exit codes of a step that goes on in the next call
_TAIL = 2000  # characters of output that are kept

Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A command, ended after `limit_seconds`; told: it takes --most-seconds, and stops by itself."""

    name: str
    command: tuple[str, ...]
    limit_seconds: float
    told: bool = False

    @property
    def asked(self) -> list[str]:
        """The command without folders, which may be others on the machine of the next call."""
        return [Path(word).name if os.sep in word else word for word in self.command]


def main() -> int:
    asked = _arguments()
    deadline = time.monotonic() + 60 * asked.minutes
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "session.json"
    held: Json = json.loads(path.read_text()) if path.exists() else {"calls": [], "steps": {}}
    held["calls"].append(setting(DISTRIBUTIONS) | ({"git_commit": asked.commit} if asked.commit else {}))
    missing = [step for step in _steps(asked) if not _is_done(step, held["steps"], bool(asked.only))]
    for step in missing:
        seconds = min(step.limit_seconds, deadline - time.monotonic())
        if seconds < _LEAST_SECONDS:
            break
        held["steps"][step.name] = ended = _run(step, seconds)
        path.write_text(json.dumps(held, indent=1) + "\n")
        print(f"{step.name}: exit {ended['exit_code']} after {ended['seconds']:.0f} s", flush=True)
        print(ended["tail"], flush=True)
    left = [step.name for step in missing if not _is_done(step, held["steps"])]
    print(f"left: {', '.join(left) or 'nothing'}; results are in {asked.out}")
    return _UNFINISHED if left else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="cifar10", help="as --data of nas-search")
    parser.add_argument("--parts", type=int, default=10, help="disjoint parts of 5,000 that it has")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.5, help="of this call")
    parser.add_argument("--runs", type=int, default=10, help="of a headline")
    parser.add_argument("--pairs", type=int, default=6, help="of each ingredient's difference")
    parser.add_argument("--paper-seconds", type=float, default=20.0, help="of a run of a paper's recipe")
    parser.add_argument("--best-seconds", type=float, default=45.0, help="of a run of `best`")
    parser.add_argument("--commit", help="where this copy has no git")
    parser.add_argument("--only", nargs="*", help="steps, by name; failed ones run again")
    parser.add_argument("--out", type=Path, default=FOLDER / "results" / "gpu")
    return parser.parse_args()


def _steps(asked: argparse.Namespace) -> list[Step]:
    nomad = ["--model", "senet18", "--width", ".67", "--recipe", "nomad_haet"]
    nomad += ["--learning-rate", ".042", "--weight-decay", ".005", "--batch-size", "512"]
    resnet9 = ["--model", "resnet9", "--recipe", "resnet9_sam_ip"]
    best = ["--model", "senet18", "--recipe", "best"]
    paper, ours = ["--seconds", str(asked.paper_seconds)], ["--seconds", str(asked.best_seconds)]
    each = ["--drop", "each", "--runs", str(asked.pairs), *paper]
    steps = [
        _checks(asked),
        _start(asked),
        *(_speed(asked, *network) for network in (("senet18", "1"), ("senet18", ".67"), ("resnet9", "1"))),
        _accuracy(asked, "nomad_haet", [*nomad, *paper]),
        _accuracy(asked, "resnet9_sam_ip", [*resnet9, *paper]),
        _accuracy(asked, "best", [*best, *ours]),
        _accuracy(asked, "ingredients", [*best, *each]),
    ]
    return [step for step in steps if asked.only is None or step.name in asked.only]


def _checks(asked: argparse.Namespace) -> Step:
    """The tests that need a GPU, without the project's pytest settings, which want plug-ins."""
    plain = ["-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider", "-W", "ignore", "-q"]
    command = [sys.executable, "-m", "pytest", *plain, "-m", "gpu", str(ROOT / "tests" / "trainer")]
    return Step("checks", tuple(command), 240)


def _start(asked: argparse.Namespace) -> Step:
    """Seconds to the first step, of a process and of a fork of a host."""
    of = ["--device", asked.device, "--repeats", "3", "--out", str(asked.out / "trial_start.json")]
    return Step("start", (sys.executable, str(FOLDER / "trial_start.py"), *of), 120)


def _speed(asked: argparse.Namespace, model: str, width: str) -> Step:
    of = ["--model", model, "--width", width, "--device", asked.device, "--seconds", "20"]
    command = [sys.executable, str(FOLDER / "trainer_speed.py"), *of, "--out", str(asked.out / "speed.jsonl")]
    return Step(f"speed-{model}-{width}", tuple(command), 90)


def _accuracy(asked: argparse.Namespace, name: str, arguments: Sequence[str]) -> Step:
    common = ["--data", asked.data, "--parts", str(asked.parts), "--device", asked.device]
    common += ["--runs", str(asked.runs)] if "--runs" not in arguments else []
    program = [sys.executable, str(FOLDER / "accuracy.py"), *common, *arguments]
    return Step(name, (*program, "--out", str(asked.out / f"{name}.jsonl")), 3600, told=True)


def _is_done(step: Step, steps: Json, again: bool = False) -> bool:
    """Whether it ended by itself; one that failed is done as well, unless failures are run again."""
    ended = steps.get(step.name, {})
    if ended.get("asked") != step.asked or (again and ended["exit_code"]):
        return False
    return ended["exit_code"] not in (_STOPPED, _UNFINISHED)


def _run(step: Step, seconds: float) -> Json:
    """Run a step. One that stops by itself is told so early that its last run has time to end."""
    told = ["--most-seconds", f"{max(0.0, seconds - _longest_run(step)):.0f}"] if step.told else []
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*step.command, *told],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            exit_code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            exit_code = _STOPPED
        finally:
            with suppress(ProcessLookupError):  # whatever it left behind, also where we are interrupted
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        tail = output.read()[-_TAIL:]
    spent = time.monotonic() - began
    return {"asked": step.asked, "exit_code": exit_code, "seconds": spent, "tail": tail}


def _longest_run(step: Step) -> float:
    """Seconds from the start of a training to the end of its process, more or less."""
    return float(step.command[step.command.index("--seconds") + 1]) + 20


if __name__ == "__main__":
    sys.exit(main())
