"""An exponential moving average of the weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

At first each step counts in proportion to its number (Shamir and Zhang 2013, section 4, eta = 1), so the
average forgets the initial weights. The exponential average takes over after about 6% of the steps with the
default half-life.
"""

from dataclasses import dataclass

from trainer.ingredients import Average, within


@dataclass(frozen=True)
class Ema(Average):
    """half_life: as a fraction of all steps, so that it does not depend on the machine's speed.

    At most .3: a longer one would not settle within the training.
    """

    half_life: float = within(0.02, above=0, at_most=0.3)

    def share(self, step: int, total_steps: int) -> float:
        exponential: float = 1 - 0.5 ** (1 / (self.half_life * total_steps))
        return max(exponential, 2 / (step + 1))
