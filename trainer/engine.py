"""How a step is run: eagerly, or as one CUDA graph for each phase of the training.

A captured step is one launch instead of hundreds, which is most of the speed of small networks on
a large GPU. Its first steps are eager, on a stream beside the main one as the capture is, so that
optimizers and libraries have made what they make once. Where capturing fails, the training goes on
eagerly and says why.
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
    """Every step as Python says it, though its passes may be compiled."""

    is_steady = True  # every step is like those to come

    def __init__(self, step: Step, reason: str, compiled: bool = False) -> None:
        self.name = "compile" if compiled else "eager"
        self._step = step
        self.reason: str | None = reason  # why no graph is captured

    def __call__(self, phase: Phase) -> None:
        """Take one step."""
        self._step(phase)

    def release(self) -> None:
        """Nothing is held."""


class Graphed:
    """Steps captured as CUDA graphs. `step` must do the same on every call, and wait for nothing.

    generators: all that `step` draws from
    before_capture: brings what `step` leaves behind into the state that it finds when captured
    """

    def __init__(
        self, step: Step, generators: Sequence[Generator], before_capture: Callable[[], None]
    ) -> None:
        self.name = "cuda_graph"
        self.reason: str | None = None
        self.is_steady = False  # whether the last step was like those of its phase to come
        self._step = step
        self._generators = generators
        self._before_capture = before_capture
        self._graphs: dict[Phase, torch.cuda.CUDAGraph] = {}
        self._taken: Counter[Phase] = Counter()

    def __call__(self, phase: Phase) -> None:
        """Take one step: the first few of a phase eagerly."""
        self.is_steady = self.reason is not None or phase in self._graphs
        if self.reason is not None:
            self._step(phase)
            return
        self._taken[phase] += 1
        if self._taken[phase] <= _EAGER_STEPS:
            self._aside(phase)
        elif phase in self._graphs or self._captured(phase):
            self._graphs[phase].replay()
        else:
            self._step(phase)

    def fall_back_to_eager(self, reason: str) -> None:
        """Take every step eagerly from now on."""
        self.name, self.reason = "eager", reason
        self.release()

    def release(self) -> None:
        """Give the memory of captured steps back; another one is captured anew."""
        self._graphs.clear()

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]

    def _aside(self, phase: Phase) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(phase)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _captured(self, phase: Phase) -> bool:
        """Capture the phase's step without taking it; False where that cannot be."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        with warnings.catch_warnings(action="ignore"):  # torch after 2.11: it needs to be told no more
            for generator in self._generators:
                graph.register_generator_state(generator)
        self._before_capture()
        try:
            # other threads may use the GPU meanwhile: one writes checkpoints
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
        """From a capture that failed, after which torch 2.11 stays on its stream and refuses to draw."""
        torch.cuda.set_stream(stream)
        everybodys = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator in (everybodys, *self._generators):
            generator.graphsafe_set_state(generator.clone_state())
        self._before_capture()


def share_capture_failure(engine: Eager | Graphed, tried: Eager | Graphed) -> None:
    """Capture nothing where another engine could not capture the same step."""
    if isinstance(engine, Graphed) and tried.reason is not None:
        engine.fall_back_to_eager(tried.reason)
