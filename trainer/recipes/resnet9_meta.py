"""The ResNet-9 paper's baseline with its meta-learning procedure (Awad et al. 2022, section 2.5).

Two tasks of 250 images a class. The paper reports 82.87% on Mini-CIFAR-10, in 132 epochs (table 1). How
the tasks' weights become one is not in its text; `mltp` says how it is read here.
"""

from trainer.ingredients.mltp import Mltp
from trainer.recipes import Recipe
from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = Recipe(BASELINE.defaults, (*BASELINE.ingredients, Mltp(tasks=2)))
