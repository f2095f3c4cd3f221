"""The 5M-parameter ResNet's recipe: Adam and mixup (Zhang, Liu and Zuo, "Optimization of Residual
Network with given budget", sections 2 and 3.1).

The report gives 94% of the test images, trained on all of CIFAR-10 for 300 epochs. Its rate falls by 5% every
5 epochs, here after the same fraction of the budget. Its lambda = .2 is taken literally, as a fixed fraction
of every image (section 3.1's formula). To read it as the Beta distribution's parameter, give
`"mixup": {"fixed": 0, "alpha": 0.2}`. It names no probability of grey.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="adam", learning_rate=0.01, weight_decay=1e-9, batch_size=64)).change(
    {
        "crop": {},
        "flip": {},
        "grayscale": {},
        "mixup": {"fixed": 0.2},
        "step_decay": {"factor": 0.95, "period": 5 / 300},
    }
)
