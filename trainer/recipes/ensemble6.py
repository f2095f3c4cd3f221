"""Six ResNet-18 of different seeds that vote (Lee, "Deep Learning Term-Project Report", section III).

The report gives 97.68%, trained on all of CIFAR-10, with six of eleven seeds and soft votes. Here the
six share the budget. Adam has batch 16 and rate .0001, as in the report; the steps of its rate come from
a code it does not print, so they are torch's usual tenth, at each third of the training. Crop and flip
are chosen here.
"""

from trainer.ingredients.asymmetric_loss import AsymmetricLoss
from trainer.ingredients.crop import Crop
from trainer.ingredients.ensemble import Ensemble
from trainer.ingredients.flip import Flip
from trainer.ingredients.step_decay import StepDecay
from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(
    Defaults(optimizer="adam", learning_rate=1e-4, weight_decay=0.0, batch_size=16),
    (Crop(), Flip(), StepDecay(factor=0.1, period=1 / 3), AsymmetricLoss(), Ensemble(members=6, vote="soft")),
)
