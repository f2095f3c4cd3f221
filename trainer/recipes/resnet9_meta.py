"""The ResNet-9 paper's baseline with its meta-learning procedure (Awad et al. 2022, section 2.5).

The paper reports 82.87% on Mini-CIFAR-10, in 132 epochs (table 1).

               paper                           released code   here
tasks          2, with 250 images per class    none            2, as in the paper
merging        a figure                                        mean of the tasks' weights (Reptile)
inner steps    not given                                       about 10
the rest       see resnet9_baseline
"""

from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = BASELINE.change({"mltp": {"tasks": 2}})
