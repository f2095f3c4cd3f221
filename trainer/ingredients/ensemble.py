"""An ensemble within one budget (Lee, "Deep Learning Term-Project Report", section III)."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from trainer.ingredients import Vote, within


@dataclass(frozen=True)
class Ensemble(Vote):
    """Train networks with different seeds one after the other, and let them vote.

    members: the paper's best was 6
    vote: "soft" averages the probabilities; "hard" counts each member's top class, with ties by soft vote
    """

    members: int = within(6, at_least=1, at_most=64)
    vote: str = "soft"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vote not in ("soft", "hard"):
            raise ValueError(f'vote must be "soft" or "hard", not {self.vote!r}')

    @property
    def count(self) -> int:
        return self.members

    def combine(self, probabilities: Tensor) -> Tensor:
        soft = probabilities.mean(0)
        if self.vote == "soft":
            return soft
        members, _, classes = probabilities.shape
        votes = F.one_hot(probabilities.argmax(2), classes).sum(0)
        return (votes + soft) / (members + 1)  # `soft` is below one vote, so it only decides ties
