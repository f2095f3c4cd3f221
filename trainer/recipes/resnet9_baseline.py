"""The baseline of the ResNet-9 paper (Awad et al. 2022, section 2.1): plain SGD.

The paper is first in the organisers' table of the HAET challenge 2021, with 88.0% on mini-ImageNet. For this
baseline it reports 76.65% on Mini-CIFAR-10, 5,000 training images, in 168 epochs within ten minutes of a
V100 (table 1).

               paper          released code            here
optimizer      SGD            none of this baseline    SGD, momentum .9
rate, batch    not given                               0.1, 128, usual for such networks
schedule       not given                               cosine
augmentation   not given                               crop (4 of 32, mirrored border), flip
weight decay   with IP only                            none

The released script is another training than the paper's: SAM in every sixth epoch, smoothing .2, and neither
gradient centralization nor meta-learning.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="sgd", learning_rate=0.1, weight_decay=0.0, batch_size=128)).change(
    {"crop": {}, "flip": {}, "cosine": {}}
)
