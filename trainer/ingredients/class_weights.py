"""Class weights: a rare class counts more in the loss (King and Zeng 2001, on weighting).

Their weights are the classes' shares in the population over those in the sample. Here all classes are to
count alike, so the weights are powers of inverse frequencies. Cui et al. 2019 weigh by an effective number of
images instead, which softens the weights of the rarest classes as a power below 1 does.
"""

from dataclasses import dataclass

from torch import Tensor

from trainer.ingredients import Weights, within


@dataclass(frozen=True)
class ClassWeights(Weights):
    """n^-power for a class with n training images, scaled so that the mean over all images is 1.

    power: 1 gives every class the same weight in all, 0 every image. At 1 a few images of the rarest classes
        decide a step, which a large learning rate does not bear; the square root is between them.
    """

    power: float = within(0.5, at_least=0, at_most=1)

    def __call__(self, counts: Tensor) -> Tensor:
        weights = counts.clamp(min=1.0) ** -self.power  # of a class without images only smoothing makes use
        return weights * counts.sum() / (weights * counts).sum()
