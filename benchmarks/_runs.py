"""What became of one search of a benchmark, as it is kept on file."""

import math
from dataclasses import dataclass, field


@dataclass
class Run:
    """Objectives are multiples of the optimum.

    steps: (training, objective of what was named after it, whether that truly keeps the constraints)
        wherever that changed; the first is the start, in searches that keep that until they find another
    blocks: the solver's, that had a training in them; placed: trainings in them
    replicates: trainings of the base network before the search, and repeats
    seconds: of the processor, in the solver
    """

    steps: list[tuple[int, float, bool]] = field(default_factory=list)
    trainings: int = 0
    blocks: int = 0
    placed: int = 0
    replicates: int = 0
    untrained: int = 0
    seconds: float = 0.0
    died: bool = False

    def step(self, trainings: int) -> tuple[int, float, bool]:
        """The last step after so many trainings; (0, infinity, False) where nothing was named."""
        steps = ((at, value, is_true) for at, value, is_true in reversed(self.steps) if at <= trainings)
        return next(steps, (0, math.inf, False))

    def best(self, trainings: int) -> float:
        """The objective named after so many trainings; infinity where nothing was named."""
        return self.step(trainings)[1]

    def worth(self, trainings: int) -> float:
        """The same, but infinity also where what was named is not good enough."""
        _, value, is_true = self.step(trainings)
        return value if is_true else math.inf

    def found(self, trainings: int) -> bool:
        """Whether something other than the start is named after so many trainings."""
        return bool(self.steps) and self.best(trainings) != self.steps[0][1]

    def reaches(self, objective: float) -> float:
        """The first training after which something that good was named rightly; infinity if there is none."""
        return next((float(at) for at, _, _ in self.steps if self.worth(at) <= objective), math.inf)

    @property
    def is_feasible(self) -> bool:
        """Whether the last that was named truly keeps the constraints."""
        return bool(self.steps) and self.steps[-1][2]
