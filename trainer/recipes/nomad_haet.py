"""The NOMAD paper's recipe: crop, flip, AutoAugment and cutout; SGD with a cosine (sections 3.4, 4.2).

               paper                    released code               here
rate etc.      tuned: .042, .005, 512   the tuned ones              0.1, 5e-4, 128, before tuning
cosine         240 epochs               240 epochs, to 1e-8         spans the budget, to 0
weights        not given                normal, by fan-out          torch's default
crop           not given                4 of 32, padded with 0      4 of 32, mirrored at the border
order          not given                crop, flip, policy, cutout  policy once per epoch, crop, flip, cutout
cutout's hole  a section of the image   black, 16 of 32             the mean, 16 of 32
moved edges    not given                grey 128                    grey 128
accuracy       of validation images     best epoch's, test images   the last weights'

Released code: github.com/DouniaLakhmiri/ICLR_HAET2021.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, batch_size=128)).change(
    {"auto_augment": {}, "crop": {}, "flip": {}, "cutout": {}, "cosine": {}}
)
