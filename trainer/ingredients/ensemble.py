"""Several networks trained one after the other and judged together, all within one budget."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from trainer.ingredients import Vote


@dataclass(frozen=True)
class Ensemble(Vote):
    """Let networks of different seeds vote (the ResNet-18 with ASAM's term paper, section III).

    members: 1 to 64; the paper's best was 6. vote: "soft" averages the probabilities;
    "hard" counts each member's first choice, and the soft vote decides a tie.
    """

    members: int = 6
    vote: str = "soft"

    def __post_init__(self) -> None:
        if not 1 <= self.members <= 64:
            raise ValueError(f"members must be from 1 to 64, not {self.members}")
        if self.vote not in ("soft", "hard"):
            raise ValueError(f'vote must be "soft" or "hard", not {self.vote!r}')

    @property
    def count(self) -> int:
        return self.members

    def together(self, probabilities: Tensor) -> Tensor:
        soft = probabilities.mean(0)
        if self.vote == "soft":
            return soft
        members, _, classes = probabilities.shape
        votes = F.one_hot(probabilities.argmax(2), classes).sum(0)
        return (votes + soft) / (members + 1)  # less than a whole vote, so it only ever decides ties
