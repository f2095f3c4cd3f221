"""The 5M-parameter ResNet's recipe: Adam and mixup (Zhang, Liu and Zuo, "Optimization of Residual
Network with given budget", sections 2 and 3.1).

The report gives 94% of the test images, trained on all of CIFAR-10 for 300 epochs. Its rate falls by 5%
every 5 of them, here by the same share of the budget. Its blend is lambda = .2, taken to the letter as a
fixed share of every image (section 3.1's formula); whoever believes it to be Beta's parameter gives
`"mixup": {"fixed": 0, "alpha": 0.2}`. It names no probability of grey.
"""

from trainer.ingredients.crop import Crop
from trainer.ingredients.flip import Flip
from trainer.ingredients.grayscale import Grayscale
from trainer.ingredients.mixup import Mixup
from trainer.ingredients.step_decay import StepDecay
from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(
    Defaults(optimizer="adam", learning_rate=0.01, weight_decay=1e-9, batch_size=64),
    (Crop(), Flip(), Grayscale(), Mixup(fixed=0.2), StepDecay(factor=0.95, period=5 / 300)),
)
