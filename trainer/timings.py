"""What a training's parts cost, as measured before it begins and corrected while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Seconds of each thing a training does, as measured.

    profile: what a step costs in each of equal parts of the training, relative to `step`
    closing: what ends the budget besides the last validation, as a vote of several networks does
    """

    step: float
    epoch: float  # preparing one, its steps not counted
    validation: float
    steps_per_epoch: int
    profile: tuple[float, ...] = (1.0,)
    closing: float = 0.0

    @property
    def step_in_all(self) -> float:
        """A step and its share of its epoch's preparation."""
        return self.step + self.epoch / self.steps_per_epoch

    def relative(self, progress: float) -> float:
        """Of a step at a progress in [0, 1]."""
        return self.profile[min(int(progress * len(self.profile)), len(self.profile) - 1)]

    def relative_from(self, progress: float) -> float:
        """The mean over the steps from a progress in [0, 1] on."""
        parts = len(self.profile)
        begun = min(int(progress * parts), parts - 1)
        left = parts - progress * parts
        if left <= 0:
            return self.profile[-1]
        return (self.profile[begun] * (begun + 1 - progress * parts) + sum(self.profile[begun + 1 :])) / left
