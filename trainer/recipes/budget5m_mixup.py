"""The 5M-parameter ResNet's recipe: Adam and mixup (Zhang, Liu and Zuo, "Optimization of Residual
Network with given budget", sections 2 and 3.1).

The report gives 94% of the test images, trained on all of CIFAR-10 for 300 epochs.

               paper                          released code      here
optimizer      Adam, .01, decay 1e-9          the network only   the same
batch          64                                                64
rate           5% less every 5 epochs (3.1)                      after the same fraction of the budget
mixup          lambda = .2 of every image                        .2, fixed, read literally
augmentation   crop, flip, grey                                  the same; crop 4 of 32, grey for 10%

Section 2.6 has another schedule, a factor .9 every 4 epochs, of an earlier experiment. To read lambda as the
Beta distribution's parameter, give `"mixup": {"fixed": 0, "alpha": 0.2}`. Released code:
github.com/Nightingalelyy/ECE-7123-DeepLearning-Project1.
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
