"""The images of an epoch are the same whenever they are drawn, and no stream reads what another still writes.

torch.cuda's streams are not here; what the trainer asks of them is written down.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from tests.trainer.test_update import Waits, prepared
from trainer import train_state
from trainer.epoch_images import EpochImages
from trainer.ingredients import Draw
from trainer.objective import TrainingObjective
from trainer.train_state import STEPS_AHEAD, TrainState

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

DRAWN: dict[str, Any] = {
    "model": "resnet9",
    "scale": {"width": 0.125, "resolution": 0.5},
    "ingredients": {"auto_augment": {}, "crop": {}, "flip": {}, "cutmix": {}},
    "hyperparameters": {"batch_size": 20},
}


class Streams:
    """Who waited for whom."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.current = Stream("main", self)


class Stream:
    def __init__(self, name: str, streams: Streams) -> None:
        self.name, self.streams = name, streams

    def wait_stream(self, other: "Stream") -> None:
        self.streams.seen.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    streams = Streams()

    @contextlib.contextmanager
    def within(stream: Stream) -> Iterator[None]:
        before, streams.current = streams.current, stream
        streams.seen.append("drawn aside")
        yield
        streams.current = before

    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream("aside", streams))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: streams.current)
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(Tensor, "record_stream", lambda images, by: streams.seen.append(f"{by.name} reads"))
    return streams


@pytest.fixture
def objective() -> TrainingObjective:
    return prepared(**DRAWN).objective


@pytest.fixture
def ahead(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks in training draw ahead, as on a GPU."""
    monkeypatch.setattr(train_state, "draws_ahead", lambda objective: True)


def test_images_drawn_ahead_are_those_drawn_in_time(streams: Streams, objective: TrainingObjective) -> None:
    early, late = (EpochImages(objective, Generator().manual_seed(1), 1, ahead=True) for _ in range(2))
    for epoch in range(3):
        assert torch.equal(early.take(epoch, 0.25 * epoch), late.take(epoch, 0.25 * epoch))
        early.draw_ahead(epoch + 1, 0.25 * (epoch + 1))
        early.draw_ahead(epoch + 1, 0.25 * (epoch + 1))  # is done already
    first = EpochImages(objective, Generator().manual_seed(1), 1, ahead=True).take(0, 0.0)
    assert not torch.equal(first, early.take(3, 0.75)), "each epoch has other images"
    others = EpochImages(objective, Generator().manual_seed(2), 2, ahead=True).take(0, 0.0)
    assert not torch.equal(first, others)


def test_no_stream_reads_what_another_still_writes(streams: Streams, objective: TrainingObjective) -> None:
    images = EpochImages(objective, Generator().manual_seed(1), 1, ahead=True)
    images.take(0, 0.0)
    images.draw_ahead(1, 0.5)
    images.take(1, 0.5)
    assert streams.seen == ["aside waits for main", "drawn aside", "main waits for aside", "main reads"]


def taken(state: TrainState, first: int, last: int) -> TrainState:
    """Take steps of a training of 30, so many from the first on."""
    for number in range(first, last):
        batch = number % state.objective.steps_per_epoch
        if batch == 0:
            state.start_epoch(number / 30)
        state.step(batch, number, 30)
    return state


def new_state() -> TrainState:
    return prepared(**DRAWN).new_state()


@pytest.mark.usefixtures("ahead")
def test_an_epoch_that_was_drawn_ahead_begins_at_once(streams: Streams) -> None:
    state = new_state()
    steps = state.objective.steps_per_epoch
    assert steps > STEPS_AHEAD
    with Waits() as first:
        state.start_epoch(0.0)
    taken_first = first.operations
    for batch in range(steps):
        assert ("drawn aside" in streams.seen) == (batch > STEPS_AHEAD), "when the GPU has steps to take"
        state.step(batch, batch, 30)
    with Waits() as second:
        state.start_epoch(steps / 30)
    assert (second.seen, second.operations <= 2) == ([], True)
    assert taken_first > 200


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("steps", [2, STEPS_AHEAD + 1, STEPS_AHEAD + 2, 13])
def test_a_training_that_draws_ahead_is_taken_up_as_it_was(steps: int) -> None:
    state = taken(new_state(), 0, steps)
    kept, again = state.state_dict(), new_state()
    again.load_state_dict(kept)
    for each in (state, again):
        taken(each, steps, 30)
    assert again.read_loss() == state.read_loss()
    for name, weight in state.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


def test_an_epoch_that_was_drawn_for_another_progress_is_drawn_again_as_it_was(
    streams: Streams, objective: TrainingObjective
) -> None:
    class Told(TrainingObjective):
        def epoch_images(self, draw: Draw) -> Tensor:
            return draw.progress.clone()

    objective = Told(**vars(objective))
    images, again = (EpochImages(objective, Generator().manual_seed(1), 1, ahead=True) for _ in range(2))
    images.take(0, 0.0)
    images.draw_ahead(1, 0.5)
    assert float(images.take(1, 0.6)) == 0.5, "what was forecast when it was drawn"
    again.load_state_dict(images.state_dict(), 1)
    assert float(again.take(1, 0.6)) == 0.5


@pytest.mark.usefixtures("ahead")
def test_no_epoch_is_drawn_after_the_last(streams: Streams) -> None:
    state = new_state()
    state.start_epoch(0.0)
    for batch in range(state.objective.steps_per_epoch):
        state.step(batch, batch, state.objective.steps_per_epoch)
    assert "drawn aside" not in streams.seen


@pytest.mark.usefixtures("ahead")
def test_what_was_drawn_ahead_is_freed_with_the_steps_memory() -> None:
    state = taken(new_state(), 0, STEPS_AHEAD + 1)
    assert state._images._next is not None
    state.free_step_memory()
    assert state._images._next is None
