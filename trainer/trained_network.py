"""The network of a finished training, which predicts as it did when it was scored."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.evaluate import LEAST_PROBABILITY, average_views, compute_logits
from trainer.images import Normalisation
from trainer.ingredients import Views, Vote


class TrainedNetwork(nn.Module):
    """One network, or several that vote. Its input is an image's pixels in 0..255, of any dtype.

    members: the networks themselves, which take normalised images
    classes: their names, in the order of the outputs
    views: test-time augmentation, as the recipe has it; None: an image is taken as it is
    mirrored: whether a mirrored image keeps its class
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        members: Sequence[nn.Module],
        classes: tuple[str, ...],
        normalise: Normalisation,
        vote: Vote | None,
        views: Views | None,
        mirrored: bool,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.classes, self.views = classes, views
        self._vote, self._mirrored = vote, mirrored
        self.register_buffer("mean", normalise.mean, persistent=False)  # model.json has them
        self.register_buffer("deviation", normalise.deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Pixels [B, 3, R, R] to logits [B, K], whose softmax is what `predict` returns.

        They are the network's own, or the logarithms of averaged probabilities.
        """
        if self._vote is None and self.views is None:
            return compute_logits(self.members[0], images, self._normalise)
        return self.predict(images).clamp(min=LEAST_PROBABILITY).log()

    def predict(self, images: Tensor) -> Tensor:
        """Pixels [B, 3, R, R] to probabilities [B, K], averaged over views and combined over members."""
        views = self.views(images, self._mirrored) if self.views else [images]
        by_member = [average_views(member, views, self._normalise) for member in self.members]
        return by_member[0] if self._vote is None else self._vote.combine(torch.stack(by_member))

    def count_passes(self) -> int:
        """How often networks are run for one image: once for each member and view."""
        views = self.views(torch.zeros(1, 3, 8, 8), self._mirrored) if self.views else [None]
        return len(self.members) * len(views)

    @property
    def _normalise(self) -> Normalisation:
        return Normalisation(self.mean, self.deviation)
