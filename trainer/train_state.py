"""A network in training, epoch by epoch and step by step, and what a checkpoint must keep of it."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainer import optimizers
from trainer.config import COMPILED_ENGINES
from trainer.engine import Captured, Eager, Graphed
from trainer.epoch_images import EpochImages
from trainer.evaluate import Predictor, Score, evaluate, make_predictor
from trainer.images import resize
from trainer.ingredients import Average, Meta
from trainer.objective import TrainingObjective
from trainer.update import Update

STEPS_AHEAD = 3  # that the host may be of the GPU


class TrainState:
    """A network, its objective, and its random state."""

    def __init__(self, network: nn.Module, objective: TrainingObjective, seed: int) -> None:
        self.network, self.objective = network, objective
        self._epoch, self._losses = 0, 0
        self.generator = torch.Generator(objective.device.torch_device).manual_seed(seed)
        captured, why_eager = choose_captured(objective)
        self.update = Update(network, objective, self.generator, seed, captured)
        self.engine = _make_engine(self.update, captured, why_eager, objective, self.generator)
        self._average, meta = objective.recipe.one(Average), objective.recipe.one(Meta)
        labels, size = objective.training.labels, objective.settings.batch_size
        self._outer = meta.begin(self.update.weights, labels, size, self.generator) if meta else None
        self._images = EpochImages(objective, self.generator, seed, draws_ahead(objective))
        self._events: deque[torch.cuda.Event] = deque()

    def start_epoch(self, progress: float) -> None:
        """Augment all training images, if that is not done yet, and shuffle them."""
        self._epoch_began = {"random": self._random_state(), "progress": progress, "epoch": self._epoch}
        self._pixels = self.objective.phase(progress).pixels
        images = self._images.take(self._epoch, progress)
        self._epoch_began["images"] = self._images.state_dict()
        self.update.load_epoch_images(resize(images, self._pixels))
        self._order = self._outer.order(self.generator) if self._outer else self._shuffle()
        self._epoch += 1

    def step(self, batch: int, number: int, total_steps: int) -> None:
        """Take step `number`, from 0, on the epoch's batch of index `batch`."""
        progress, size = number / total_steps, self.objective.settings.batch_size
        self.update.chosen.copy_(self._order[batch * size : (batch + 1) * size])
        self.update.progress.fill_(progress)
        if self._average:
            self.update.share.fill_(self._average.share(number + 1, total_steps))
        optimizers.set_rate(self.update.optimizer, self.objective.learning_rate(progress))
        self.engine(self.objective.phase(progress, self._pixels))
        self._losses += 1
        if self._outer:
            self._outer.after(number + 1)
        self._limit_lead()
        last = self.objective.steps_per_epoch - 1
        coming = number + 1 + last - batch  # the first step of the next epoch, if there is one
        if batch == min(STEPS_AHEAD, last) and coming < total_steps:  # the GPU has steps to take meanwhile
            self._images.draw_ahead(self._epoch, coming / total_steps)

    def read_loss(self) -> float:
        """The mean loss since the last call; waits for the device."""
        mean = float(self.update.loss_sum) / max(self._losses, 1)
        self.update.loss_sum.zero_()
        self._losses = 0
        return mean

    def finish(self) -> None:
        """End the training: bring the weights to what is evaluated."""
        if self._outer:
            self._outer.finish()
        self.free_step_memory()

    def free_step_memory(self) -> None:
        """Free what only steps need, so that an ensemble's next network has room."""
        self.engine.release()
        self.update.forget_gradients()
        self.update.images.clear()
        self._images.forget()

    @property
    def eval_network(self) -> nn.Module:
        """The network that is evaluated: the averaged weights where the recipe averages."""
        return self.network if self.update.averaged is None else self.update.averaged

    def predictor(self) -> Predictor:
        """The predictions of the network that is evaluated."""
        return make_predictor(self.eval_network, self.objective)

    def validate(self, *, whole: bool = False) -> Score | None:
        """Score the current weights on the images for learning curves; None without validation images.

        whole: on all validation images
        """
        held_out = self.objective.validation if whole else self.objective.curve
        return evaluate([self.eval_network], self.predictor(), held_out) if held_out else None

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on, cloned on the device."""
        state = {
            "update": self.update.state_dict(),
            "outer": self._outer.state_dict() if self._outer else {},
            "random": self._random_state(),
            "epoch": self._epoch_began,
            "losses": self._losses,
        }
        cloned: dict[str, Any] = _clone(state)
        return cloned

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`; the epoch's images are drawn again as they were."""
        self._epoch = state["epoch"]["epoch"]
        self._set_random_state(state["epoch"]["random"])
        self._images.load_state_dict(state["epoch"].get("images", {}), self._epoch)
        if self._outer:
            self._outer.load_state_dict(state["outer"])  # first: the epoch's order depends on its tasks
        self.start_epoch(state["epoch"]["progress"])
        self.update.load_state_dict(state["update"])
        self._losses = state["losses"]
        self._set_random_state(state["random"])

    def _shuffle(self) -> Tensor:
        count, device = len(self.objective.training), self.objective.device.torch_device
        return torch.randperm(count, generator=self.generator, device=device)

    def _random_state(self) -> list[Tensor]:
        """Of our own generator and of torch's global ones, which layers such as dropout use."""
        cuda = [torch.cuda.get_rng_state()] if self.objective.device.cuda else []
        return [self.generator.get_state(), torch.get_rng_state(), *cuda]

    def _set_random_state(self, states: Sequence[Tensor]) -> None:
        own, host, *cuda = (state.cpu() for state in states)
        self.generator.set_state(own)
        torch.set_rng_state(host)
        for state in cuda:
            torch.cuda.set_rng_state(state)

    def _limit_lead(self) -> None:
        """Let the host run at most a few steps ahead of a GPU, so that the clock is right."""
        if not self.objective.device.cuda:
            return
        self._events.append(torch.cuda.current_stream().record_event())
        if len(self._events) > STEPS_AHEAD:
            self._events.popleft().synchronize()


def draws_ahead(objective: TrainingObjective) -> bool:
    """Whether a device has time for the next epoch's images while it trains: a GPU has."""
    return objective.device.cuda


def choose_captured(objective: TrainingObjective) -> tuple[Captured, str]:
    """What of a step is captured, and why not all of it; empty where it is all.

    The passes, which are most of a step, are captured with every optimizer. Otherwise a search that compares
    optimizers within a budget of seconds would compare their engines.
    """
    device, optimizer = objective.device, objective.settings.optimizer
    if not device.cuda:
        return "nothing", "there is no GPU"
    if device.engine in ("eager", "compile"):
        return "nothing", f"engine {device.engine} was asked for"
    if optimizer not in optimizers.GRAPH_SAFE:
        return "passes", f"the step of the optimizer {optimizer} cannot be captured"
    if device.precision == "fp16" and optimizer not in optimizers.FUSED_ON_CUDA:
        return "passes", f"in fp16 the optimizer {optimizer} asks the host whether to step"
    return "step", ""


def _make_engine(
    update: Update, captured: Captured, reason: str, objective: TrainingObjective, generator: torch.Generator
) -> Eager | Graphed:
    compiled = objective.device.engine in COMPILED_ENGINES
    if captured == "nothing":
        return Eager(update, reason, compiled)
    if captured == "step":
        return Graphed(update, [generator], update.forget_gradients, compiled=compiled)
    return Graphed(
        update.compute_gradients,
        [generator],
        update.forget_gradients,
        rest=update.learn,
        weights=update.weights,
        reason=reason,
        compiled=compiled,
    )


def _clone(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: _clone(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_clone(value) for value in state]
    return state
