"""A session on a GPU: checks, speed, clock, memory and accuracy, in an order that finds faults early.

    python benchmarks/gpu.py [--minutes 13] [--data cifar10] [--out FOLDER] [--rehearse]

Each step is a process of its own, and one line of FOLDER/session.jsonl as soon as it has ended: its figures
run by run, hardware, versions. The first surprise ends the session. The same command goes on after the steps
that have passed on this GPU; --accept NAME goes on in spite of a surprise. --rehearse runs all of it on a
CPU at small sizes. Needs what the trainer needs, and pytest and rich for the last steps; nothing of a search.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from _gpu_plan import STEPS, Step
from _setting import setting
from _training import ROOT

FOLDER = Path(__file__).resolve().parent
DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "timm", "numpy", "pillow", "nvidia-ml-py", "triton")
SURPRISED, UNFINISHED = 1, 3  # exit codes
_LEAST_SECONDS = 60.0  # for which a step that takes what is left is begun
_MOST, _LEAST_LIMIT = 2, 60.0  # a step is ended after so many times its planned seconds, or so many seconds
_TAIL = 6000  # characters of stderr that are kept

Json = dict[str, Any]


class Session:
    """One call. path: of the result file; call: when, on what and with which versions"""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked, self._ends = asked, time.monotonic() + 60 * asked.minutes
        asked.out.mkdir(parents=True, exist_ok=True)
        self.path = asked.out / ("rehearsal.jsonl" if asked.rehearse else "session.jsonl")
        self._call = setting(DISTRIBUTIONS) | ({"git_commit": asked.commit} if asked.commit else {})
        self._before = list(_lines(self.path))

    def run(self, steps: Sequence[Step]) -> int:
        """Run the steps that have not passed before, until the first surprise; the exit code."""
        with tempfile.TemporaryDirectory() as folder:
            for step in steps:
                if not step.is_each_call and self._has_passed(step):
                    print(f"\n{step.name}: passed before")
                    continue
                left = max(0.0, self._ends - time.monotonic())
                if left < (_LEAST_SECONDS if step.is_open else step.seconds):
                    print(f"\n{step.name}: {left:.0f} s are not enough; call again to go on")
                    return UNFINISHED
                ended = self._run(step, left, Path(folder))
                show(step, ended)
                if ended["surprise"] and step.name not in self._asked.accept:
                    print(f"\nSURPRISE in {step.name}: {ended['surprise']}\n{ended['stderr'][-2000:]}")
                    accept = "" if step.is_each_call else f", or go on with --accept {step.name}"
                    print(f"Fix it and call again{accept}")
                    return SURPRISED
                if ended["unfinished"]:
                    print(f"\n{step.name} is not finished; call again to go on")
                    return UNFINISHED
        print("\nall steps have passed")
        return 0

    def _has_passed(self, step: Step) -> bool:
        """Whether an earlier call has done this step on this GPU, in the same way."""
        here = _options(step, self._asked), self._call["machine"].get("device_name")
        return any(
            line["step"] == step.name
            and (line["options"], line["machine"].get("device_name")) == here
            and not line["unfinished"]
            and (line["surprise"] is None or step.name in self._asked.accept)
            for line in self._before
        )

    def _run(self, step: Step, left: float, folder: Path) -> Json:
        """Run a step and write its line. One that is cut off with the call is not finished."""
        options = _options(step, self._asked)
        has_limit = not step.is_open and not self._asked.rehearse
        most = min(left, _limit(step)) if has_limit else left
        command = [sys.executable, str(FOLDER / "_gpu_steps.py"), step.name, "--folder", str(folder)]
        command += ["--seconds", f"{most:.0f}", *(["--rehearse"] if self._asked.rehearse else [])]
        began = time.monotonic()
        code, said, complaint = _run_group([*command, str(self._asked.out.resolve()), *options], most)
        told = _read(said)
        spent = {"planned_seconds": step.seconds, "seconds": time.monotonic() - began, "exit_code": code}
        if "machine" in told["facts"]:
            self._call["machine"] = told["facts"]["machine"]
        self._call.setdefault("machine", {})
        where = self._call["machine"].get("device_name", ""), not self._asked.rehearse
        is_cut = code is None and most == left
        ended = {
            "step": step.name,
            "options": options,
            **told,
            "unfinished": told["unfinished"] or is_cut,
            "surprise": None if is_cut else told["surprise"] or _judge(step, code, told["figures"], where),
            **spent,
            "stderr": complaint[-_TAIL:],
            "rehearsal": self._asked.rehearse,
            **self._call,
        }
        _append(self.path, ended)
        return ended


def main() -> int:
    asked = _arguments()
    session = Session(asked)
    steps = [step for step in STEPS if asked.only is None or step.is_each_call or step.name in asked.only]
    print(plan(steps, asked.minutes))
    try:
        code = session.run(steps)
    except KeyboardInterrupt:
        print("\ninterrupted; call again to go on")
        code = UNFINISHED
    print(f"results are in {session.path}")
    return code


def _arguments() -> argparse.Namespace:
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=13.0, help="of this call")
    parser.add_argument("--data", default="cifar10", help="of accuracies, as --data of nas-search")
    parser.add_argument("--parts", type=int, default=10, help="disjoint parts of 5,000 that it has")
    parser.add_argument("--runs", type=int, default=10, help="of an accuracy")
    parser.add_argument("--pairs", type=int, default=6, help="of each ingredient's difference")
    parser.add_argument("--paper-seconds", type=float, default=20.0, help="of a run of a paper's recipe")
    parser.add_argument("--best-seconds", type=float, default=45.0, help="of a run of `best`")
    parser.add_argument("--commit", help="where this copy has no git")
    parser.add_argument("--only", nargs="*", choices=names, help="steps")
    parser.add_argument(
        "--accept",
        nargs="*",
        choices=[step.name for step in STEPS if not step.is_each_call],
        default=[],
        help="steps whose surprise does not end this call",
    )
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, at small sizes")
    parser.add_argument("--out", type=Path, default=FOLDER / "results" / "gpu")
    return parser.parse_args()


def plan(steps: Sequence[Step], minutes: float) -> str:
    """The seconds that are planned, and when each step should have ended."""
    rows, total = [f"Planned for an H200, of which this call has {minutes:g} minutes:"], 0.0
    for step in steps:
        total += step.seconds
        rows.append(f"{step.name:15} {step.seconds:4.0f} s, ends by {total / 60:4.1f} min  {step.about}")
    return "\n".join(rows)


def _limit(step: Step) -> float:
    return max(_LEAST_LIMIT, _MOST * step.seconds)


def _options(step: Step, asked: argparse.Namespace) -> list[str]:
    """Those of accuracy.py, for a step that runs it."""
    if not step.is_open:
        return []
    if asked.rehearse:
        small = [
            "--width",
            ".125",
            "--resolution",
            ".5",
            "--train",
            "200",
            "--parts",
            "4",
            "--batch-size",
            "20",
        ]
        return ["--data", "digits", *small, "--steps", "4", "--runs", "1", "--device", "cpu"]
    seconds = asked.best_seconds if step.name == "best_accuracy" else asked.paper_seconds
    runs = asked.pairs if step.name == "ingredients" else asked.runs
    usual = {"data": asked.data, "parts": asked.parts, "seconds": seconds, "runs": runs, "device": "cuda"}
    return [word for name, value in usual.items() for word in (f"--{name}", str(value))]


def _run_group(command: Sequence[str], seconds: float) -> tuple[int | None, str, str]:
    """Exit code (None: it was ended), stdout and stderr of a process and of what it leaves behind."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, env=environment, cwd=ROOT, start_new_session=True
        )
        code: int | None = None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):  # also where we are interrupted
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stdout.seek(0)
        stderr.seek(0)
        return code, stdout.read(), stderr.read()


def _read(said: str) -> Json:
    """What a step reported: figures by name, facts by name, its surprise; other lines are left out."""
    told: Json = {"figures": {}, "facts": {}, "surprise": None, "unfinished": False}
    for line in _parse(said):
        if "figure" in line:
            told["figures"][line["figure"]] = {"unit": line["unit"], "runs": line["runs"]}
        elif "fact" in line:
            told["facts"][line["fact"]] = line["value"]
        else:
            told |= line
    return told


def _lines(path: Path) -> Iterator[Json]:
    return _parse(path.read_text(encoding="utf-8") if path.exists() else "")


def _append(path: Path, line: Json) -> None:
    """Write a line, after the end of one that a kill has cut off."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    with open(path, "a", encoding="utf-8") as file:
        file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(line) + "\n")


def _parse(text: str) -> Iterator[Json]:
    """The JSON objects of lines, without a last one that was cut off and without what libraries print."""
    for line in text.splitlines():
        with suppress(json.JSONDecodeError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value


def _judge(step: Step, code: int | None, figures: Json, where: tuple[str, bool]) -> str | None:
    """What is not as expected there; None if all is. where: the device's name, and whether it is a GPU"""
    if code is None:
        return f"ended after {_limit(step):.0f} s; {step.seconds:.0f} s were planned"
    if code:
        return f"exit code {code}"
    for name, expected in step.expected.items():
        if not expected.holds_on(*where):
            continue
        if name not in figures:
            return f"there is no figure of {name}"
        for value in figures[name]["runs"]:
            if wrong := expected.surprise(value):
                return f"{name}: {wrong}"
    return None


def show(step: Step, ended: Json) -> None:
    """Print what was measured beside what is expected."""
    print(f"\n{step.name}: {ended['seconds']:.0f} s ({step.seconds:.0f} s planned); {step.about}", flush=True)
    for name, found in ended["figures"].items():
        expected = f"   expected {step.expected[name]}" if name in step.expected else ""
        print(f"  {name}: {_spread(found['runs'])} {found['unit']}{expected}")
    for name, value in ended["facts"].items():
        text = str(value)
        print(f"  {name}: {text if len(text) < 300 else text[:300] + ' …'}")


def _spread(runs: Sequence[float]) -> str:
    """The median of several, with the least and the most."""
    if len(runs) < 2:
        return ", ".join(map(_number, runs))
    least, most = _number(min(runs)), _number(max(runs))
    return f"{_number(statistics.median(runs))} ({least} to {most}, n {len(runs)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
