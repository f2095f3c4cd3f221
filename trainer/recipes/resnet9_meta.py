"""The ResNet-9 paper's baseline with its meta-learning procedure (Awad et al. 2022, section 2.5).

Two tasks of 250 images per class. The paper reports 82.87% on Mini-CIFAR-10, in 132 epochs (table 1). It does
not say how the tasks' weights are merged; `mltp` says how that is done here.
"""

from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = BASELINE.change({"mltp": {"tasks": 2}})
