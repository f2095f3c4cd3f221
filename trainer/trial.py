"""One trial, from its configuration to its last line.

The clock `train` starts once everything is on the device and timed, so it counts neither imports nor
decoding. `strict` counts from the start of the process. Both stop after the last validation; test images are
evaluated later. The networks of an ensemble are trained one after the other, each in its share of the budget.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from trainer import data
from trainer.budget import VALIDATION_SHARE, Done, Pace, Timings
from trainer.checkpoint import Checkpoint
from trainer.config import Budget, TrialConfig
from trainer.describe import model_fields
from trainer.device import resolve_device
from trainer.engine import share_capture_result
from trainer.errors import DeviceLost, InvalidConfig, OutOfMemory, TooShort
from trainer.evaluate import Predictor, Score, evaluate
from trainer.events import Events, make_final
from trainer.images import DeviceImages
from trainer.ingredients import Vote
from trainer.objective import TrainingObjective
from trainer.report import Report
from trainer.setup import TrialSetup, set_up
from trainer.train import measure, train
from trainer.train_state import TrainState

_TIMING_SHARE = 0.05  # of a budget in seconds, for timing steps
_MOST_TIMING_SECONDS = 5.0
_TIMING_SECONDS = 0.3  # of a budget in steps, where the timing is only reported
_FIRST_FIT = "squash"  # of checkpoints of versions that had no other
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "bad_alloc")

# what cuDNN and cuBLAS say without memory for their workspaces, but of some faults as well
LIBRARY_WORDS = (
    *("unable to find an engine to execute this computation", "No execution plans support the graph"),
    *("Unable to find a valid cuDNN algorithm", "CUBLAS_STATUS_NOT_INITIALIZED"),
)
_FULL = 0.9  # of a GPU's memory
_COMPILER_MODULES = ("torch._dynamo", "torch._inductor")  # whose errors say that something cannot be compiled

# how CUDA describes a GPU or a driver that is gone, as opposed to an error in a kernel
_DEVICE_WORDS = (
    *("CUDA-capable device", "uncorrectable", "CUDA driver", "driver shutting down", "unknown error"),
    *("system not yet initialized", "CUDA error: initialization error"),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves. networks: those that were scored, one for each member of a vote.

    model, machine, final: the fields of these events
    """

    setup: TrialSetup
    networks: list[nn.Module]
    model: dict[str, Any]
    machine: dict[str, Any]
    final: dict[str, Any]


def run(
    config: TrialConfig, report: Report, process_began: float, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train and report. process_began: time.monotonic() at the start. Raises TrialError."""
    with name_device_errors():
        saved = checkpoint.read() if checkpoint else None
        device = resolve_device(config)
        about = data.about(config.dataset)
        model = model_fields(config, about, layers=True)
        report.event("model", **model)
        machine = device.describe()
        report.event("machine", **machine)
        maker = {"device": device.torch_device.type, "precision": device.precision, "source": model["source"]}
        maker["fit"] = about.fit
        setup = set_up(config, about, device)
        if setup.initial:
            report.event("initialised", fresh=list(setup.initial.fresh))
        training = _Training(setup, report, checkpoint, maker)
        score = training.run(process_began, _check_maker(maker, saved))
        final = training.result(score, process_began)
        report.event("final", **final)
    if checkpoint:
        checkpoint.remove()
    return Trained(training.setup, training.networks(), model, machine, final)


def check(config: TrialConfig, report: Report) -> None:
    """Do all that precedes the first step of a training, and report the times. Raises as `run` does."""
    with name_device_errors():
        setup = set_up(config, data.about(config.dataset), resolve_device(config))
        timings = _measure(setup, setup.new_state())
    last = timings.validation + timings.closing
    report.event("check", step_seconds=timings.step, last_validation_seconds=last)


def _measure(setup: TrialSetup, first: TrainState) -> Timings:
    """The times of a training. Raises TooShort if its last validation takes too much of it."""
    budget, vote = setup.config.budget, setup.objective.recipe.one(Vote)
    seconds = _TIMING_SHARE * budget.seconds if budget.seconds else _TIMING_SECONDS
    timings = measure(first, min(_MOST_TIMING_SECONDS, seconds), vote.count if vote else 0)
    _check_whole_validation(budget, timings, setup.objective)
    return timings


def _check_maker(maker: dict[str, Any], saved: dict[str, Any] | None) -> dict[str, Any] | None:
    """The checkpoint's content; None, with a warning, if its numbers were made in another way."""
    if saved is None:
        return None
    made = {"fit": _FIRST_FIT, **saved.get("maker", {})}
    if maker["fit"] is None:  # all images are squares
        made["fit"] = None
    if made != maker:
        logger.warning("the checkpoint is of %s, this is %s; training from the start", made, maker)
        return None
    return saved


class _Training:
    """The networks of one trial, one after the other.

    maker: device, precision, the network's file and the images' fit, which a checkpoint depends on
    """

    def __init__(
        self, setup: TrialSetup, report: Report, checkpoint: Checkpoint | None, maker: dict[str, Any]
    ) -> None:
        self.setup, self._report, self._checkpoint, self._maker = setup, report, checkpoint, maker
        self._vote = setup.objective.recipe.one(Vote)
        self._count = self._vote.count if self._vote else 1
        self._members: list[TrainState] = []
        self._paces: list[Done] = []

    def run(self, process_began: float, saved: dict[str, Any] | None) -> Score | None:
        """Train all networks, from where a checkpoint was made; return the score of the last weights."""
        first = self.setup.new_state()
        timings = _measure(self.setup, first)
        began = process_began if self.setup.config.clock == "strict" else time.monotonic()
        self._events = Events(self._report, began, saved["elapsed"] if saved else 0.0)
        engine = first.engine
        self._report.event("engine", name=engine.name, captured=engine.captured, reason=engine.reason)
        if saved:
            self._restore_trained(saved)
        for member in range(len(self._members), self._count):
            state = self.setup.new_state(member) if member else first
            share_capture_result(state.engine, first.engine)
            score = self._train(member, state, timings, saved)
            saved = None
        if self._vote:
            score = self._evaluate(self.setup.objective.validation)
        self._seconds = self._events.elapsed()
        return score

    def result(self, score: Score | None, process_began: float) -> dict[str, Any]:
        """The fields of the `final` event. Evaluates the test images."""
        tests = self.setup.test_images()
        tested = self._evaluate(*tests) if tests else None
        return {
            **make_final(self.setup, score, tested, self._paces, self._seconds),
            "wall_seconds": time.monotonic() - process_began,
            "engine": self._members[-1].engine.name,
        }

    def networks(self) -> list[nn.Module]:
        """The networks that are evaluated."""
        return [member.eval_network for member in self._members]

    def _restore_trained(self, saved: dict[str, Any]) -> None:
        """Restore the networks that were trained before an interruption, and repeat their events."""
        for member, trained in enumerate(saved["members"]):
            state = self.setup.new_state(member)
            state.load_state_dict(trained["trainee"])
            state.free_step_memory()
            self._members.append(state)
            self._paces.append(Done(**trained["done"]))
        for fields in saved["epochs"]:
            self._events.repeat(fields)

    def _train(
        self, member: int, state: TrainState, timings: Timings, saved: dict[str, Any] | None
    ) -> Score | None:
        began = self._events.elapsed() if saved is None else saved["member_began"]
        share = _share_budget(self.setup.config.budget, member, self._count, timings.closing)
        last = member + 1 == self._count
        if saved is not None:
            state.load_state_dict(saved["trainee"])
        pace = Pace(
            timings if last else replace(timings, closing=0.0),
            seconds=None if share.seconds is None else share.seconds - began,
            steps=share.steps,
            elapsed=lambda: self._events.elapsed() - began,
            on_plan=self._events.plan,
            done=Done(**saved["done"]) if saved else Done(),
            plan=share.plan,
        )
        score = train(
            state,
            pace,
            lambda *found: self._events.epoch(member, state, pace, *found),
            lambda: self._write_checkpoint(state, pace, began),
        )
        self._members.append(state)
        self._paces.append(pace.done)
        return score

    def _write_checkpoint(self, state: TrainState, pace: Pace, began: float) -> None:
        """Write a checkpoint if it is due. Called after a step that the pace has not counted yet."""
        if self._checkpoint is None:
            return
        done = replace(pace.done, step=pace.step + 1)
        trained = zip(self._members, self._paces, strict=True)
        self._checkpoint.write_if_due(
            lambda: {  # keys of earlier versions' files
                "maker": self._maker,
                "members": [{"trainee": one.state_dict(), "done": asdict(its)} for one, its in trained],
                "trainee": state.state_dict(),
                "done": asdict(done),
                "member_began": began,
                "elapsed": self._events.elapsed(),
                "epochs": list(self._events.epochs),
            }
        )

    def _evaluate(self, held_out: DeviceImages | None, first: int = 0) -> Score | None:
        """The score of all networks together."""
        if held_out is None:
            return None
        predictors = [member.predictor() for member in self._members]
        predict = predictors[0] if self._vote is None else _combine(predictors, self._vote)
        return evaluate(self.networks(), predict, held_out, first)


def _combine(predictors: list[Predictor], vote: Vote) -> Predictor:
    return lambda images: vote.combine(torch.stack([predict(images) for predict in predictors]))


def _check_whole_validation(budget: Budget, timings: Timings, objective: TrainingObjective) -> None:
    """Raise TooShort if all validation images take too much of a training that learns on fewer of them."""
    whole, curve = len(objective.validation or ()), len(objective.curve or ())
    last = timings.validation + timings.closing
    seconds = budget.seconds or (budget.steps or 0) * timings.step
    if whole > curve and last > VALIDATION_SHARE * seconds:
        raise TooShort(
            f"validating on {whole} images takes {last:.2f} s, more than {VALIDATION_SHARE:.0%} of "
            f"{seconds:.2f} s of training; give fewer validation images, or a longer budget"
        )


def _share_budget(budget: Budget, member: int, count: int, closing: float) -> Budget:
    """The share of one of several networks: the second at which it must end, or its steps.

    closing: seconds after the last network's last step, which belong to no share
    Raises TooShort, and InvalidConfig for a plan with several networks.
    """
    if budget.steps is None:
        assert budget.seconds is not None
        if budget.seconds <= closing:
            raise TooShort(
                f"a budget of {budget.seconds:g} s is too short: evaluating {count} networks together takes "
                f"{closing:.2f} s alone; give at least {math.ceil(3 * closing)} s"
            )
        last = member + 1 == count
        return Budget(seconds=budget.seconds if last else (budget.seconds - closing) * (member + 1) / count)
    if budget.plan and count > 1:
        raise InvalidConfig("a plan is for one network; omit it with an ensemble")
    if budget.steps < count:
        raise TooShort(f"{budget.steps} steps do not go round {count} networks; give at least {count}")
    return Budget(steps=budget.steps // count + (member < budget.steps % count), plan=budget.plan)


@contextmanager
def name_device_errors(*more_words: str) -> Iterator[None]:
    """Turn torch's and numpy's errors of exhausted memory into OutOfMemory, of a lost GPU into DeviceLost.

    more_words: in an error that means memory, where the caller knows that nothing else is wrong
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        line = text.splitlines()[0] if text else type(error).__name__
        words = (*_MEMORY_WORDS, *more_words)
        if any(word in text for word in LIBRARY_WORDS) and _is_gpu_full():
            words = (*words, *LIBRARY_WORDS)
        if isinstance(error, MemoryError) or any(word in text for word in words):
            raise OutOfMemory(f"{line}; give a smaller batch_size, width or resolution") from error
        if type(error).__module__.startswith(_COMPILER_MODULES):
            raise InvalidConfig(
                f'the network cannot be compiled: {line}; give "engine": "auto" to train it as it is'
            ) from error
        if "no kernel image" in text:
            raise InvalidConfig(f"{line}; install a torch, or build the extension, for this GPU") from error
        if "CUDA" in text and any(word in text for word in _DEVICE_WORDS):
            raise DeviceLost(f"{line}; see what nvidia-smi and dmesg say of the GPU") from error
        raise


def _is_gpu_full() -> bool:
    """Whether nearly all of the GPU's memory has been in use at once, by this process and others."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call, unused-ignore]
        return False
    free, total = torch.cuda.mem_get_info()
    freed = torch.cuda.max_memory_reserved() - torch.cuda.memory_reserved()  # since the most was in use
    return total - free + freed >= _FULL * total
