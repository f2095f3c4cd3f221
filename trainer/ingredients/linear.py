"""Linear warm-up (Goyal et al. 2017, section 2.2) and linear decay (Li et al. 2020, "Budgeted Training")."""

from dataclasses import dataclass

from trainer.ingredients import within
from trainer.ingredients._warm_up import WarmedUp


@dataclass(frozen=True)
class Linear(WarmedUp):
    """Linear decay after a linear warm-up."""

    warm_up: float = within(0.05, at_least=0, below=1)

    def decay(self, share: float) -> float:
        return 1 - share
