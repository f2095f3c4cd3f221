"""How a step is run: eagerly, or as one CUDA graph for each phase of the training.

A captured step is one launch instead of hundreds, which is most of the speed of small networks on a large
GPU. The first steps of a phase are eager, on a side stream as the capture is, so that optimizers and
libraries allocate what they allocate once. If capturing fails, training goes on eagerly and reports why.
"""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Generator

from trainer.objective import Phase

_EAGER_STEPS = 3  # of each phase, before it is captured

logger = logging.getLogger(__name__)

Step = Callable[[Phase], None]


class Eager:
    """Runs every step eagerly. torch.compile may have compiled its passes."""

    is_steady = True  # see Graphed

    def __init__(self, step: Step, reason: str, compiled: bool = False) -> None:
        self.name = "compile" if compiled else "eager"
        self._step = step
        self.reason: str | None = reason  # why no graph is captured

    def __call__(self, phase: Phase) -> None:
        self._step(phase)

    def release(self) -> None:
        """There is no memory to free."""


class Graphed:
    """Runs steps as CUDA graphs. `step` must do the same on every call, and must not wait for the device.

    generators: all that `step` draws from
    before_capture: brings what `step` leaves behind, such as gradients, into the state before a step
    """

    def __init__(
        self, step: Step, generators: Sequence[Generator], before_capture: Callable[[], None]
    ) -> None:
        self.name = "cuda_graph"
        self.reason: str | None = None
        self.is_steady = False  # whether the last step took as long as those to come
        self._step = step
        self._generators = generators
        self._before_capture = before_capture
        self._graphs: dict[Phase, torch.cuda.CUDAGraph] = {}
        self._taken: Counter[Phase] = Counter()

    def __call__(self, phase: Phase) -> None:
        """Take one step. The first few of a phase are eager."""
        self.is_steady = self.reason is not None or phase in self._graphs
        self._taken[phase] += 1
        if self.reason is not None:
            self._step(phase)
        elif self._taken[phase] <= _EAGER_STEPS:
            self._step_on_side_stream(phase)
        elif phase in self._graphs or self._capture(phase):
            self._graphs[phase].replay()
        else:
            self._step(phase)

    def fall_back_to_eager(self, reason: str) -> None:
        """Take every step eagerly from now on."""
        self.name, self.reason = "eager", reason
        self.release()

    def release(self) -> None:
        """Free the memory of captured steps. A later step is captured again."""
        self._graphs.clear()

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]

    def _step_on_side_stream(self, phase: Phase) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(phase)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self, phase: Phase) -> bool:
        """Capture the phase's step without taking it; False where that fails."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        with warnings.catch_warnings(action="ignore"):  # torch after 2.11: no longer needed
            for generator in self._generators:
                graph.register_generator_state(generator)
        self._before_capture()
        try:
            # other threads may use the GPU meanwhile, such as the one that writes checkpoints
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step(phase)
        except RuntimeError as error:
            self.fall_back_to_eager(f"a step cannot be captured: {str(error).splitlines()[0]}")
            logger.warning("%s; training eagerly", self.reason)
            self._recover(stream)
            return False
        self._graphs[phase] = graph
        return True

    def _recover(self, stream: torch.cuda.Stream) -> None:
        """After a failed capture, torch 2.11 stays on its stream and its generators refuse to draw."""
        torch.cuda.set_stream(stream)
        default = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator in (default, *self._generators):
            generator.graphsafe_set_state(generator.clone_state())
        self._before_capture()


def share_capture_failure(engine: Eager | Graphed, tried: Eager | Graphed) -> None:
    """Run eagerly if another engine could not capture the same step."""
    if isinstance(engine, Graphed) and tried.reason is not None:
        engine.fall_back_to_eager(tried.reason)
