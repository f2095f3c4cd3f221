"""The session on a GPU: its order, what it stops at, how it goes on; and all of it on a CPU."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks._running import ROOT, ran

ORDER = [
    *("machine", "one_step", "speed", "best", "preparation", "clock", "half", "optimizers", "too_large"),
    *("waits", "host", "latency", "decoding", "compiled", "tests", "nomad_haet", "best_accuracy"),
    *("resnet9_sam_ip", "ingredients"),
]


@pytest.fixture
def gpu() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        yield importlib.import_module("gpu")


class Answers:
    """What the steps' processes answer, by step: exit code and figures; all is as expected without an entry.

    asked: the steps whose processes were started
    """

    def __init__(self, gpu: ModuleType) -> None:
        self.of: dict[str, tuple[int | None, dict[str, list[float]]]] = {}
        self.device_name = "NVIDIA H200"
        self.asked: list[str] = []
        self._expected = {step.name: step.expected for step in gpu.STEPS}

    def __call__(self, command: list[str], seconds: float) -> tuple[int | None, str, str]:
        step = command[2]
        self.asked.append(step)
        right = {
            name: [one.high if one.low is None else one.low] for name, one in self._expected[step].items()
        }
        code, figures = self.of.get(step, (0, right))
        said = [{"fact": "machine", "value": {"device_name": self.device_name}}] if step == "machine" else []
        said += [{"figure": name, "unit": "", "runs": runs} for name, runs in figures.items()]
        return code, "a library's line\n" + "".join(json.dumps(one) + "\n" for one in said), "last words"


@pytest.fixture
def answers(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Answers:
    found = Answers(gpu)
    monkeypatch.setattr(gpu, "_run_group", found)
    return found


@pytest.fixture
def call(
    gpu: ModuleType, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, list[str]]]:
    """Call the session: its exit code, and the steps that it started."""

    def session(*options: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), *options])
        answers.asked.clear()
        return gpu.main(), list(answers.asked)

    return session


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "session.jsonl").read_text().splitlines()]


Call = Callable[..., tuple[int, list[str]]]


def test_the_steps_have_their_order_and_those_of_a_first_call_are_planned_in_thirteen_minutes(
    gpu: ModuleType, call: Call, tmp_path: Path
) -> None:
    assert call() == (0, ORDER)
    assert [line["step"] for line in lines(tmp_path)] == ORDER
    first = ORDER.index("best_accuracy") + 1
    assert sum(step.seconds for step in gpu.STEPS[:first]) <= 13 * 60
    assert all(
        line["versions"]["torch"] and line["machine"] == {"device_name": "NVIDIA H200"}
        for line in lines(tmp_path)
    )


def test_a_surprise_ends_a_call_and_the_next_one_goes_on_from_there(
    call: Call, answers: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.of["clock"] = 0, {"over the budget": [-0.001, 0.02, -0.002]}
    assert call() == (1, ORDER[: ORDER.index("clock") + 1])
    said = capsys.readouterr().out
    assert "over the budget: -0.001 (-0.002 to 0.02, n 3)    expected -0.05 to 0.005" in said
    assert "SURPRISE in clock: over the budget: 0.02 is more than 0.005\nlast words" in said
    assert lines(tmp_path)[-1]["figures"]["over the budget"]["runs"] == [-0.001, 0.02, -0.002]
    del answers.of["clock"]
    assert call() == (0, ["machine", *ORDER[ORDER.index("clock") :]])
    assert call() == (0, ["machine"])
    answers.device_name = "NVIDIA H100"
    assert call() == (0, ORDER)


def test_an_accepted_surprise_ends_no_call(call: Call, answers: Answers) -> None:
    answers.of["one_step"] = 1, {}
    assert call() == (1, ["machine", "one_step"])
    assert call("--accept", "one_step") == (0, ["machine", *ORDER[2:]])


def test_a_figure_that_is_missing_is_a_surprise(call: Call, answers: Answers) -> None:
    answers.of["host"] = 0, {"fork to first step": [1.0]}
    assert call()[1][-1] == "host"


@pytest.mark.parametrize(("device_name", "code"), [("NVIDIA H200", 1), ("NVIDIA A100-SXM4-80GB", 0)])
def test_speeds_are_judged_on_gpus_that_they_were_expected_of(
    device_name: str, code: int, call: Call, answers: Answers
) -> None:
    answers.device_name = device_name
    ahead = {"nomad_haet, drawn ahead": [0.5], "best, drawn ahead": [0.5]}
    answers.of["preparation"] = 0, {"nomad_haet": [60.0], "best": [8.0], "validation": [20.0], **ahead}
    assert call()[0] == code


@pytest.mark.parametrize(("minutes", "code"), [("0.5", 3), ("13", 1)])
def test_a_step_is_a_surprise_where_it_takes_too_long_and_not_where_the_call_is_over(
    minutes: str, code: int, call: Call, answers: Answers
) -> None:
    answers.of["one_step"] = None, {}
    assert call("--minutes", minutes) == (code, ["machine", "one_step"])
    del answers.of["one_step"]
    assert call()[1][:2] == ["machine", "one_step"]


def test_a_line_cut_off_by_a_kill_is_a_step_that_has_not_passed(call: Call, tmp_path: Path) -> None:
    assert call("--only", "one_step", "speed")[0] == 0
    path = tmp_path / "session.jsonl"
    path.write_text(path.read_text()[:-100])
    assert call("--only", "one_step", "speed") == (0, ["machine", "speed"])
    assert call("--only", "one_step", "speed") == (0, ["machine"])


def test_what_a_step_reported_before_it_was_ended_is_kept(gpu: ModuleType) -> None:
    program = """echo '{"figure": "a", "unit": "s", "runs": [1]}'; sleep 60"""
    code, said, _ = gpu._run_group(["sh", "-c", program], 1.0)
    assert (code, gpu._read(said)["figures"]) == (None, {"a": {"unit": "s", "runs": [1]}})


IMPORTED = """
import sys

ABSENT = ("sqlalchemy", "optuna", "PyNomad", "pydantic", "typer", "pandas")
OURS = ("orchestrator", "results", "search_spaces", "tests")

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import gpu, _gpu_steps
print(sorted(name for name in sys.modules if name.split(".")[0] in OURS))
"""


def test_a_session_imports_the_trainer_and_nothing_of_a_search() -> None:
    paths = f"{ROOT / 'benchmarks'}:{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env={"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    # these modules import the standard library alone
    ours = [
        "orchestrator",
        "orchestrator.spec",
        "orchestrator.spec.provenance",
        "results",
        "results.packages",
    ]
    of_tests = ["tests", "tests.trainer", "tests.trainer._hosting", "tests.trainer.configs"]
    assert done.stdout.strip() == str([*ours, *of_tests]), done.stderr


def test_a_session_without_time_begins_nothing(tmp_path: Path) -> None:
    code, printed = ran("gpu", "--minutes", "0", "--out", str(tmp_path))
    assert code == 3
    assert "machine: 0 s are not enough; call again to go on" in printed
    assert not (tmp_path / "session.jsonl").exists()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_whole_session_is_rehearsed_on_a_cpu(gpu: ModuleType, tmp_path: Path) -> None:
    """Only `graphs` and fp16 need a GPU."""
    code, printed = ran("gpu", "--rehearse", "--minutes", "45", "--out", str(tmp_path))
    assert code == 0, printed
    told = {
        line["step"]: line
        for line in map(json.loads, (tmp_path / "rehearsal.jsonl").read_text().splitlines())
    }
    assert list(told) == ORDER
    for step in gpu.STEPS:
        assert set(step.expected) - {"graphs", "fp16 / bf16"} <= set(told[step.name]["figures"]), step.name
    code, printed = ran("gpu", "--rehearse", "--out", str(tmp_path))
    assert (code, printed.count("passed before")) == (0, len(ORDER) - 1)
