"""A training that is killed and goes on: the same steps, the same clock, the same lines."""

import io
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.thinned import rest_slow
from tests.trainer._hosting import Host, ask
from tests.trainer.configs import trial
from trainer import checkpoint as checkpoints
from trainer import config
from trainer import trial as trials
from trainer.checkpoint import Checkpoint
from trainer.errors import InvalidConfig
from trainer.report import Report

pytestmark = pytest.mark.usefixtures("digits_drawn_once")


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class Dying(Checkpoint):
    """Writes after every step, and dies at one of them."""

    def __init__(self, path: Path, parsed: config.TrialConfig, at: int) -> None:
        super().__init__(path, parsed, seconds=0)
        self.calls, self.at = 0, at

    def write_if_due(self, state: Any) -> None:
        super().write_if_due(state)
        assert self._writer is not None
        self._writer.join()
        self.calls += 1
        if self.calls == self.at:
            raise Killed


def events(parsed: config.TrialConfig, checkpoint: Checkpoint | None = None) -> list[dict[str, Any]]:
    stream = io.StringIO()
    trials.run(parsed, Report(stream), time.monotonic(), checkpoint)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def undisturbed(parsed: config.TrialConfig) -> list[dict[str, Any]]:
    """The events of a training that nothing kills, run once for all tests."""
    fingerprint = checkpoints.fingerprint(parsed)
    if fingerprint not in _undisturbed:
        _undisturbed[fingerprint] = events(parsed)
    return _undisturbed[fingerprint]


_undisturbed: dict[str, list[dict[str, Any]]] = {}


def told(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What of the lines does not depend on the time of day."""
    epochs = [line for line in lines if line["event"] == "epoch"]
    return [(e["member"], e["step"], e["train_loss"], e["val_accuracy"], e["val_loss"]) for e in epochs]


TWO_THAT_VOTE: dict[str, Any] = {"ema": {}, "ensemble": {"members": 2}}


@pytest.mark.parametrize(
    ("at", "ingredients"),
    rest_slow(itertools.product([2, 5, 6, 11], [{}, TWO_THAT_VOTE]), [(5, TWO_THAT_VOTE)]),
)
def test_a_killed_training_ends_as_if_it_had_not_been(
    tmp_path: Path, at: int, ingredients: dict[str, Any]
) -> None:
    parsed = config.from_json(trial(budget={"steps": 12}, ingredients=ingredients))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        events(parsed, Dying(path, parsed, at))
    assert path.exists()
    resumed = events(parsed, Checkpoint(path, parsed, 60))
    assert told(resumed) == told(undisturbed(parsed))
    assert resumed[-1]["steps"] == 12
    assert not path.exists(), "a training that has ended leaves nothing to go on with"


def test_a_killed_training_goes_on_with_what_is_left_of_its_budget(tmp_path: Path) -> None:
    parsed = config.from_json(trial(budget={"seconds": 3}))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        events(parsed, Dying(path, parsed, 9))
    time.sleep(0.5)  # while it is dead its clock stands
    lines = events(parsed, Checkpoint(path, parsed, 60))
    plans = [line for line in lines if line["event"] == "plan"]
    assert plans[0]["reason"] == "resumed"
    assert plans[0]["step"] == 9
    assert 0 < plans[0]["elapsed_seconds"] < 3
    assert lines[-1]["train_seconds"] < 6, "not 3 s once more"


def test_a_program_killed_with_sigkill_goes_on_from_its_file(trainers: Host, tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(trial(budget={"steps": 100000})))
    keeping = ("--checkpoint", str(tmp_path / "checkpoint.pt"), "--checkpoint-seconds", "0.1")
    program = ask(trainers, tmp_path / "forked", "train", "--config", str(tmp_path / "trial.json"), *keeping)
    pid, deadline = program.started(), time.monotonic() + 60
    while not (tmp_path / "checkpoint.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    assert program.ending()[:3] == ["ended", "-9", "exited"]
    parsed = config.read(tmp_path / "trial.json")
    held = Checkpoint(tmp_path / "checkpoint.pt", parsed, 60).read()
    assert held is not None
    assert 0 < held["done"]["step"] < 100000


def test_a_gpu_s_state_is_copied_on_a_stream_that_waits_for_its_clones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Stream:
        def wait_stream(self, other: str) -> None:
            done.append(f"wait for {other}")

    @contextmanager
    def use(stream: Stream | None) -> Iterator[None]:
        done.append(f"use {type(stream).__name__}")
        yield

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "the training's stream")
    monkeypatch.setattr(torch.cuda, "stream", use)
    monkeypatch.setattr(torch, "save", lambda saved, file: done.append("save"))
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", config.from_json(trial()), seconds=0)

    def clone() -> dict[str, Any]:
        done.append("clone")
        return {}

    checkpoint.write_if_due(clone)
    checkpoint.remove()
    assert done == ["clone", "wait for the training's stream", "use Stream", "save"]


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    parsed = config.from_json(trial())
    with pytest.raises(Killed):
        events(parsed, Dying(tmp_path / "checkpoint.pt", parsed, 2))
    other = config.from_json(trial(seed=1))
    with pytest.raises(InvalidConfig, match="is another training's; delete it"):
        events(other, Checkpoint(tmp_path / "checkpoint.pt", other, 60))


def test_a_checkpoint_that_was_cut_off_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parsed = config.from_json(trial())
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 and no more")
    lines = events(parsed, Checkpoint(tmp_path / "checkpoint.pt", parsed, 60))
    assert told(lines) == told(undisturbed(parsed))
    assert "cannot read the checkpoint" in caplog.text


def test_a_disk_that_takes_no_checkpoint_does_not_end_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parsed = config.from_json(trial())
    lines = events(parsed, Checkpoint(tmp_path / "missing" / "checkpoint.pt", parsed, 0))
    assert lines[-1]["event"] == "final"
    assert "cannot write the checkpoint" in caplog.text


def test_a_full_disk_is_told_and_left_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parsed = config.from_json(trial())
    (tmp_path / "checkpoint.pt.new").symlink_to("/dev/full")
    kept = Checkpoint(tmp_path / "checkpoint.pt", parsed, 0)
    kept.write_if_due(lambda: {"weights": torch.zeros(10**5)})
    assert kept._writer is not None
    kept._writer.join()
    assert "cannot write the checkpoint" in caplog.text
    assert not list(tmp_path.iterdir()), "what is half written fills the disk"


def test_a_checkpoint_is_written_beside_no_other_training_s(tmp_path: Path) -> None:
    parsed = config.from_json(trial())
    (tmp_path / "trial.new").write_text("another training's")
    for name in ("trial.0", "trial.1"):  # a suffix is part of the name
        with pytest.raises(Killed):
            events(parsed, Dying(tmp_path / name, parsed, 2))
    assert (tmp_path / "trial.new").read_text() == "another training's"


def test_a_checkpoint_made_in_another_precision_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parsed = config.from_json(trial())
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        events(parsed, Dying(path, parsed, 3))
    held = torch.load(path)
    torch.save({**held, "maker": {**held["maker"], "precision": "fp16"}}, path)
    lines = events(parsed, Checkpoint(path, parsed, 60))
    assert told(lines) == told(undisturbed(parsed))
    assert "training from the start" in caplog.text
    assert [line["reason"] for line in lines if line["event"] == "plan"] == ["calibrated"]


def test_a_checkpoint_of_squashed_images_is_no_good_for_cropped_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 8, 16, 3), np.uint8)
    np.savez(tmp_path / "wide.npz", train_images=images, train_labels=np.arange(80) % 2)
    wide = {"dataset": f"npz:{tmp_path / 'wide.npz'}", "image_size": 16, "hyperparameters": {"batch_size": 8}}
    wide |= {"subset": {"train": 40, "validation": 20, "seed": 0}}
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        events(config.from_json(trial(**wide, fit="squash")), Dying(path, config.from_json(trial(**wide)), 3))
    held = torch.load(path)
    del held["maker"]["fit"]  # as one from before there was a choice, which squashed
    torch.save(held, path)
    for fit, begun in (({}, "calibrated"), ({"fit": "squash"}, "resumed")):
        torch.save(held, path)
        parsed = config.from_json(trial(**wide, **fit))
        lines = events(parsed, Checkpoint(path, parsed, 60))
        assert next(line["reason"] for line in lines if line["event"] == "plan") == begun
    assert "training from the start" in caplog.text


def test_configurations_that_differ_have_different_fingerprints() -> None:
    folds = {"train": 100, "validation": 50, "seed": 0, "folds": 3}
    changes: list[dict[str, Any]] = [{}, {"seed": 1}, {"ingredients": {"ema": {}}}, {"budget": {"steps": 8}}]
    changes += [{"subset": folds}, {"subset": {**folds, "fold": 1}}]
    assert len({checkpoints.fingerprint(config.from_json(trial(**change))) for change in changes}) == 6


def test_a_checkpoint_from_before_there_were_draws_is_still_this_training_s() -> None:
    before = "869099939fe542c79eddb538f712bac41594088a4ede32116d9fcec0afe9e3d5"
    assert checkpoints.fingerprint(config.from_json(trial())) == before
