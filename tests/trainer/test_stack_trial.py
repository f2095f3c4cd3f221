"""Several configurations in one process: their lines, their ends, their budget."""

import io
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.configs import trial
from tests.trainer.conftest import Forked
from tests.trainer.test_program import run
from trainer import config, stack_training, stack_trial, stackable
from trainer import trial as trials
from trainer.budget import Pace
from trainer.costs import Costs
from trainer.errors import Refused
from trainer.report import Report
from trainer.stack_trial import IsFaster, is_faster

pytestmark = pytest.mark.usefixtures("digits_drawn_once")
SMALL = {"batch_size": 20, "learning_rate": 0.02}


@pytest.fixture(autouse=True)
def _hardly_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed here only people would read."""
    monkeypatch.setattr(trials, "_TIMING_SECONDS", 0.01)


def seeds(count: int, **common: Any) -> list[dict[str, Any]]:
    return [trial(**{"hyperparameters": SMALL, **common, "seed": number}) for number in range(count)]


def trained(configs: list[dict[str, Any]], faster: IsFaster = lambda *_: True) -> list[list[dict[str, Any]]]:
    """The lines of each trial."""
    stream = io.StringIO()
    parsed = [config.from_json(one) for one in configs]
    stack_trial.run(parsed, Report(stream), time.monotonic(), faster)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["trial"] for line in lines} == set(range(len(configs)))
    return [[line for line in lines if line["trial"] == number] for number in range(len(configs))]


def trained_alone(one: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = _trained_alone(json.dumps(one))
    return lines


@cache
def _trained_alone(text: str) -> list[dict[str, Any]]:
    stream = io.StringIO()
    trials.run(config.parse(text), Report(stream), time.monotonic())
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def names(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def test_each_trial_of_a_stack_has_all_the_lines_of_a_training() -> None:
    configs = seeds(2, test=True)
    for lines, one in zip(trained(configs), configs, strict=True):
        alone = trained_alone(one)
        assert [name for name in names(lines) if name != "stack"] == names(alone)
        final, wanted = lines[-1], alone[-1]
        assert final.keys() == wanted.keys() | {"stacked", "trial"}
        assert (final["stacked"], final["steps"], final["total_steps"]) == (2, 7, 7)
        for name in ("val_loss", "test_loss", "val_accuracy", "test_accuracy", "test_accuracy_1000"):
            assert final[name] == pytest.approx(wanted[name], rel=1e-3), name


@pytest.mark.slow
def test_rates_and_decays_of_one_stack_may_differ() -> None:
    rates = [{**SMALL, "learning_rate": 0.01}, {**SMALL, "learning_rate": 0.03, "weight_decay": 0.01}]
    configs = [trial(hyperparameters=each, budget={"steps": 3}) for each in rates]
    for lines, one in zip(trained(configs), configs, strict=True):
        alone = trained_alone(one)[-1]
        assert lines[-1]["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-4)


def test_a_trial_that_diverges_ends_alone() -> None:
    doomed = trial(seed=1, hyperparameters={**SMALL, "learning_rate": 1000.0, "weight_decay": 10.0})
    sound, broken, last = trained([seeds(1)[0], doomed, trial(seed=2, hyperparameters=SMALL)])
    assert (broken[-1]["event"], broken[-1]["reason"]) == ("error", "diverged")
    for lines, number in ((sound, 0), (last, 2)):
        alone = trained_alone(trial(seed=number, hyperparameters=SMALL))[-1]
        assert lines[-1]["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-3)


@pytest.mark.slow
def test_what_is_not_faster_is_trained_one_by_one() -> None:
    configs = seeds(2)
    for lines, one in zip(trained(configs, lambda *_: False), configs, strict=True):
        alone = trained_alone(one)[-1]
        assert "not faster here" in lines[0]["reason"]
        assert lines[0]["stacked"] is False
        assert lines[-1]["val_loss"] == alone["val_loss"]
        assert "stacked" not in lines[-1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ingredients": {"ensemble": {"members": 2}}}, "networks that vote"),
        ({"engine": "compile"}, "compiles the passes"),
    ],
)
def test_what_cannot_be_stacked_is_trained_one_by_one(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(trials, "run", lambda one, report, began: report.event("final"))
    for lines in trained(seeds(2, **changes)):
        assert names(lines) == ["stack", "final"]
        assert reason in lines[0]["reason"]


def test_failures_of_trials_trained_one_by_one_are_their_own() -> None:
    doomed = trial(seed=1, subset={"train": 100, "validation": 50, "seed": 0, "part": 999})
    sound, refused = trained([seeds(1, hyperparameters={"batch_size": 20})[0], doomed])
    assert "disjoint parts" in sound[0]["reason"]
    assert sound[-1]["event"] == "final"
    assert (refused[-1]["event"], refused[-1]["reason"]) == ("error", "refused")


def test_a_budget_in_seconds_is_each_trials_share_of_the_clock() -> None:
    began = time.monotonic()
    one, other = trained(seeds(2, budget={"seconds": 1.2}))
    spent = time.monotonic() - began
    final = one[-1]
    assert final["train_seconds"] == other[-1]["train_seconds"] < spent / 2
    assert final["steps"] == final["total_steps"] == other[-1]["steps"]
    assert final["overshoot_seconds"] == pytest.approx(final["train_seconds"] - 1.2)


def test_a_faster_stack_takes_the_steps_of_a_training_alone_and_no_more() -> None:
    alone, stacked = Costs(0.1, 0.0, 0.1, 10), Costs(0.2, 0.0, 0.2, 10)
    assert stack_training.owed_steps(alone, config.Budget(seconds=10)) == 93
    assert stack_training.owed_steps(alone, config.Budget(steps=7)) == 7
    assert stack_training.shared(stacked, 4).step == pytest.approx(0.05)


def test_a_budget_that_is_too_short_ends_every_trial() -> None:
    for lines in trained(seeds(2, budget={"seconds": 0.001})):
        assert (lines[-1]["event"], lines[-1]["reason"]) == ("error", "budget_too_short")


def test_a_stack_is_faster_when_one_step_is_faster_than_all() -> None:
    alone = Costs(0.1, 0.0, 0.0, 10)
    assert is_faster(alone, Costs(0.29, 0.0, 0.0, 10), 3)
    assert not is_faster(alone, Costs(0.31, 0.0, 0.0, 10), 3)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model": "resnet9"}, "model: 'resnet18' and 'resnet9'"),
        ({"subset": {"train": 90, "validation": 50, "seed": 0}}, "subset.train: 100 and 90"),
        ({"hyperparameters": {"batch_size": 10}}, "hyperparameters.batch_size: 20 and 10"),
        ({"ingredients": {"mixup": {}}}, "ingredients"),
        ({"budget": {"seconds": 1.0}}, "budget.seconds"),
    ],
)
def test_configurations_that_differ_in_more_are_refused_with_the_key(
    changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(Refused, match="configurations 0 and 2 differ in") as refused:
        stackable.refuse_different([config.from_json(trial(**one)) for one in ({}, {"seed": 1}, changes)])
    assert key in str(refused.value)


def test_a_strict_clock_is_refused_for_several() -> None:
    with pytest.raises(Refused, match="clock strict"):
        stackable.refuse_different([config.from_json(trial(clock="strict", seed=seed)) for seed in range(2)])


@pytest.mark.parametrize(("step_seconds", "steps"), [(0.01, 50), (0.5, 18)])
def test_a_pace_with_steps_and_seconds_keeps_to_both(step_seconds: float, steps: int) -> None:
    clock = 0.0
    pace = Pace(Costs(0.1, 0.0, 0.01, 10), seconds=10, steps=50, elapsed=lambda: clock)
    assert pace.total_steps == 50
    for _ in pace.steps():
        clock += step_seconds
    assert abs(pace.step - steps) <= 1
    assert pace.step == pace.total_steps
    assert clock <= 10


def config_files(folder: Path, *configs: dict[str, Any]) -> list[str]:
    """As arguments."""
    for number, one in enumerate(configs):
        (folder / f"{number}.json").write_text(json.dumps(one))
    return [part for number in range(len(configs)) for part in ("--config", str(folder / f"{number}.json"))]


def test_the_program_trains_several_configurations_and_exits_0(forked: Forked, tmp_path: Path) -> None:
    doomed = trial(seed=1, hyperparameters={**SMALL, "learning_rate": 1000.0, "weight_decay": 10.0})
    code, lines, stderr = forked("train", *config_files(tmp_path, trial(), doomed))
    ends = {line["trial"]: line["event"] for line in lines}
    assert (code, ends) == (0, {0: "final", 1: "error"})
    assert "give a lower learning_rate" in stderr


def test_the_program_refuses_a_checkpoint_of_several(tmp_path: Path) -> None:
    files = config_files(tmp_path, trial(), trial(seed=1))
    code, lines, _ = run("train", *files, "--checkpoint", str(tmp_path / "checkpoint.pt"))
    assert (code, lines[-1]["reason"]) == (2, "refused")
    assert "one training's" in lines[-1]["message"]
