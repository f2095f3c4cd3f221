"""The ResNet-9 paper's baseline with sharpness-aware minimization (Awad et al. 2022, section 2.2).

The paper reports 79.9% on Mini-CIFAR-10, in 151 epochs (table 1). It gives no rho; .05 is its source's
for CIFAR-10 (Foret et al. 2021).
"""

from trainer.ingredients.sam import Sam
from trainer.recipes import Recipe
from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = Recipe(BASELINE.defaults, (*BASELINE.ingredients, Sam(rho=0.05)))
