"""Six ResNet-18 of different seeds that vote (Lee, "Deep Learning Term-Project Report", section III).

The report gives 97.68%, trained on all of CIFAR-10, with six of eleven seeds and soft votes. Here the six
share the budget. Adam has batch 16 and rate .0001, as in the report. Its code for the rate's steps is not
printed, so they are torch's usual tenth, after each third of the training. Crop and flip are our choice.
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
