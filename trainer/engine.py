"""How a step is run: eagerly, or as one CUDA graph for each phase of the training; compiled or not.

A captured step is one launch instead of hundreds, which is most of the speed of small networks on a large
GPU. The first steps of a phase are eager, on a side stream as the capture is, so that optimizers and
libraries allocate what they allocate once. An optimizer's step that cannot be captured follows the captured
passes. If a step waits for the device, or capturing fails, training goes on eagerly and reports why. Passes
that torch.compile compiles are compiled in the first of those steps, before the budget's clock begins.
"""

import logging
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from trainer.config import GRAPH_ENGINES
from trainer.device import Device
from trainer.errors import InvalidConfig
from trainer.objective import Phase

Captured = Literal["nothing", "passes", "step"]  # what of a step a CUDA graph holds
_EAGER_STEPS = 3  # of each phase, before it is captured
_WAITS = "synchronizing CUDA operation"  # what torch says of one in its mode for finding them

logger = logging.getLogger(__name__)

Step = Callable[[Phase], None]


class Eager:
    """Runs every step eagerly. compiled: whether torch.compile compiles its passes"""

    is_steady = True  # see Graphed
    captured: Captured = "nothing"

    def __init__(self, step: Step, reason: str, compiled: bool = False) -> None:
        self.name = "compile" if compiled else "eager"
        self._step = step
        self.reason: str | None = reason  # why no graph is captured

    def __call__(self, phase: Phase) -> None:
        self._step(phase)

    def release(self) -> None:
        """There is no memory to free."""


class Graphed:
    """Runs steps as CUDA graphs.

    captured_part: of a step; it must do the same on every call, and must not wait for the device
    generators: all that `captured_part` draws from
    before_capture: brings what `captured_part` leaves behind, such as gradients, into the state before a step
    rest: of a step, taken eagerly; None if `captured_part` is all
    weights: whose gradients `rest` reads
    reason: why there is a rest
    compiled: whether torch.compile compiles the passes
    """

    def __init__(
        self,
        captured_part: Step,
        generators: Sequence[Generator],
        before_capture: Callable[[], None],
        rest: Callable[[], None] | None = None,
        weights: Sequence[Tensor] = (),
        reason: str | None = None,
        compiled: bool = False,
    ) -> None:
        self.name = "compiled_graph" if compiled else "cuda_graph"
        self.captured: Captured = "passes" if rest else "step"
        self.reason = reason  # why not the whole step is captured
        self.is_steady = False  # whether the last step took as long as those to come
        self._captured_part, self._is_compiled = captured_part, compiled
        self._generators = generators
        self._before_capture = before_capture
        self._rest = rest
        self._weights = weights
        self._graphs: dict[Phase, torch.cuda.CUDAGraph] = {}
        self._gradients: dict[Phase, list[Tensor | None]] = {}  # where each phase's graph writes them
        self._taken: Counter[Phase] = Counter()
        self.checked: set[Phase] = set()  # phases whose steps do not wait for the device

    def __call__(self, phase: Phase) -> None:
        """Take one step. The first few of a phase are eager."""
        self.is_steady = self.captured == "nothing" or phase in self._graphs
        self._taken[phase] += 1
        if self.captured == "nothing":
            self._captured_part(phase)
        elif self._taken[phase] == _EAGER_STEPS and phase not in self.checked:
            self._step_and_check(phase)
        elif self._taken[phase] <= _EAGER_STEPS:
            self._step_on_side_stream(phase)
        elif phase in self._graphs or self._capture(phase):
            self._replay(phase)
        else:
            self._captured_part(phase)
        if self._rest:
            self._rest()

    def fall_back_to_eager(self, reason: str) -> None:
        """Take every step eagerly from now on."""
        self.name = "compile" if self._is_compiled else "eager"
        self.captured, self.reason = "nothing", reason
        self.release()

    def release(self) -> None:
        """Free the memory of captured steps. A later step is captured again."""
        self._graphs.clear()
        self._gradients.clear()

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]

    def _step_on_side_stream(self, phase: Phase) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(self._stream):
                self._captured_part(phase)
        finally:
            torch.cuda.current_stream().wait_stream(self._stream)

    def _step_and_check(self, phase: Phase) -> None:
        """Take a step; fall back to eager if it waits for the device, for it could not be captured then.

        The mode holds for all threads, so nothing else may use the device meanwhile: a training's steps are
        checked on a copy, before it begins.
        """
        torch.cuda.set_sync_debug_mode("error")
        try:
            self._step_on_side_stream(phase)
            self.checked.add(phase)
        except RuntimeError as error:
            if _WAITS not in str(error):
                raise
            self._give_up("a step waits for the GPU", error)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        if self.captured == "nothing":
            self._captured_part(phase)

    def _replay(self, phase: Phase) -> None:
        self._graphs[phase].replay()
        for weight, gradient in zip(self._weights, self._gradients[phase], strict=True):
            weight.grad = gradient

    def _capture(self, phase: Phase) -> bool:
        """Capture the phase's step without taking it; False where that fails."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        with warnings.catch_warnings(action="ignore"):  # torch after 2.11: no longer needed
            for generator in self._generators:
                graph.register_generator_state(generator)
        self._before_capture()
        try:
            # other threads may use the GPU meanwhile, such as the one that writes checkpoints
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                self._captured_part(phase)
        except RuntimeError as error:
            # the end of the capture says only that it failed; what the step said is the context
            self._give_up("a step cannot be captured", error.__context__ or error)
            self._recover(stream)
            return False
        self._graphs[phase] = graph
        self._gradients[phase] = [weight.grad for weight in self._weights]
        return True

    @cached_property
    def _pool(self) -> Any:
        """The memory of all phases' graphs, which keep nothing in it from one step to the next."""
        return torch.cuda.graph_pool_handle()

    def _give_up(self, what: str, error: BaseException) -> None:
        self.fall_back_to_eager(f"{what}: {_describe(error)}")
        logger.warning("%s; training eagerly", self.reason)

    def _recover(self, stream: torch.cuda.Stream) -> None:
        """Undo what a failed capture leaves behind in torch 2.11.

        It stays on its stream, its generators refuse to draw, and the allocator goes on capturing, so that no
        later graph is captured and no cached memory is freed (pytorch/pytorch issue 180395).
        """
        torch.cuda.set_stream(stream)
        with suppress(RuntimeError):  # of a torch that has ended it already
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._pool)
        default = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator in (default, *self._generators):
            generator.graphsafe_set_state(generator.clone_state())
        self._before_capture()


def share_capture_result(engine: Eager | Graphed, tried: Eager | Graphed) -> None:
    """Run eagerly if another engine could not capture the same step; check nothing again that it checked."""
    if not isinstance(engine, Graphed):
        return
    if tried.captured == "nothing":
        assert tried.reason is not None
        engine.fall_back_to_eager(tried.reason)
    elif isinstance(tried, Graphed):
        engine.checked |= tried.checked


def refuse_eager(engine: Eager | Graphed, device: Device) -> None:
    """Raise InvalidConfig if graphs were asked for by name and steps could not be captured."""
    if device.engine in GRAPH_ENGINES and engine.captured == "nothing":
        raise InvalidConfig(
            f'engine {device.engine}: {engine.reason}; give "engine": "auto" to train eagerly'
        )


def _describe(error: BaseException) -> str:
    """Its first line, and the line of code outside of torch that led to it."""
    torchs = str(Path(torch.__file__).parent)
    places = [
        place for place in traceback.extract_tb(error.__traceback__) if not place.filename.startswith(torchs)
    ]
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"{first} ({places[-1].filename}, line {places[-1].lineno}: {places[-1].line})" if places else first
    )
