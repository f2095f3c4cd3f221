"""The NOMAD paper's recipe: crop, flip, AutoAugment and cutout; SGD with a cosine (sections 3.4, 4.2).

The paper counts its cosine in epochs; here it spans the budget.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, batch_size=128)).change(
    {"auto_augment": {}, "crop": {}, "flip": {}, "cutout": {}, "cosine": {}}
)
