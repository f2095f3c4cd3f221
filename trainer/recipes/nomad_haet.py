"""The NOMAD paper's recipe: crop, flip, AutoAugment and cutout; SGD under a cosine (sections 3.4, 4.2).

Where the paper counts its cosine in epochs, here it spans the budget.
"""

from trainer.ingredients.auto_augment import AutoAugment
from trainer.ingredients.cosine import Cosine
from trainer.ingredients.crop import Crop
from trainer.ingredients.cutout import Cutout
from trainer.ingredients.flip import Flip
from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(
    Defaults(optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, batch_size=128),
    (AutoAugment(), Crop(), Flip(), Cutout(), Cosine()),
)
