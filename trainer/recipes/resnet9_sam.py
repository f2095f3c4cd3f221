"""The ResNet-9 paper's baseline with sharpness-aware minimization (Awad et al. 2022, section 2.2).

The paper reports 79.9% on Mini-CIFAR-10, in 151 epochs (table 1). It gives no rho; .05 is that of Foret et
al. (2021) for CIFAR-10.
"""

from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = BASELINE.change({"sam": {"rho": 0.05}})
