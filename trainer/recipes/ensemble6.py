"""Six ResNet-18 of different seeds that vote (Lee, "Deep Learning Term-Project Report", section III).

The report gives 97.68%, trained on all of CIFAR-10, and has no released code. The second column is the code
of the loss's own authors.

               paper                        the authors' own code          here
members        6 of 11 seeds, soft votes    -                              6, which share the budget
optimizer      Adam, .0001, batch 16        -                              the same
schedule       StepLR of a course's code    -                              a tenth after each third
loss           asymmetric                   powers 0 and 4, smoothing .1   as the authors' code
augmentation   "transforms"                 -                              crop, flip
average        none                         -                              none

Configurations of version 1 have a positive power of 1, timm's default. Code: github.com/Alibaba-MIIL/ASL.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="adam", learning_rate=1e-4, weight_decay=0.0, batch_size=16)).change(
    {
        "crop": {},
        "flip": {},
        "step_decay": {"factor": 0.1, "period": 1 / 3},
        "asymmetric_loss": {},
        "ensemble": {"members": 6, "vote": "soft"},
    }
)
