"""An exponential moving average of the weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

Its half-life is a share of the steps, so that it means the same on every machine. A young average
counts weights in proportion to their step (Shamir and Zhang 2013, section 4, eta = 1), until the
exponential one forgets more slowly than that: after about 6% of the steps with the usual half-life.
"""

from dataclasses import dataclass

from trainer.ingredients import Average


@dataclass(frozen=True)
class Ema(Average):
    """The younger the average, the faster it forgets, so that an early one is not made of first weights.

    half_life: the share of the steps after which a weight counts half, at most .3, for a longer one
        would not settle within the training
    """

    half_life: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.half_life <= 0.3:
            raise ValueError(f"half_life must be above 0 and at most .3, not {self.half_life}")

    def share(self, step: int, total_steps: int) -> float:
        settled: float = 1 - 0.5 ** (1 / (self.half_life * total_steps))
        return max(settled, 2 / (step + 1))
