"""Our own: what published ablations make the best bet for 5,000 images in ten minutes.

Strong augmentation of every image, fading mixtures, a flat minimum sought in the second half only,
averaged weights, and a few views of each image at the end. Put together from the ingredients' sources;
its strengths were not searched yet, and no accuracy is claimed here.
"""

from trainer.ingredients.alternating_flip import AlternatingFlip
from trainer.ingredients.crop import Crop
from trainer.ingredients.cutmix import Cutmix
from trainer.ingredients.cutout import Cutout
from trainer.ingredients.decay_split import DecaySplit
from trainer.ingredients.ema import Ema
from trainer.ingredients.label_smoothing import LabelSmoothing
from trainer.ingredients.linear import Linear
from trainer.ingredients.sam import Sam
from trainer.ingredients.test_views import TestViews
from trainer.ingredients.trivial_augment import TrivialAugment
from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(
    Defaults(optimizer="nesterov", learning_rate=0.1, weight_decay=5e-4, batch_size=128),
    (
        TrivialAugment(),
        AlternatingFlip(),
        Crop(),
        Cutout(share=0.375),
        Cutmix(chance=0.5, until=0.85, anneal=True),
        LabelSmoothing(alpha=0.1),
        DecaySplit(),
        Sam(rho=0.05, start=0.5),
        Ema(half_life=0.02),
        Linear(warm_up=0.05),
        TestViews(),
    ),
)
