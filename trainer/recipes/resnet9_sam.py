"""The ResNet-9 paper's baseline with sharpness-aware minimization (Awad et al. 2022, section 2.2).

The paper reports 79.9% on Mini-CIFAR-10, in 151 epochs (table 1).

               paper            released code                here
SAM            all of training  in every sixth epoch         all of training
rho            not given        -                            .05, Foret et al.'s for CIFAR-10
the rest       see resnet9_baseline
"""

from trainer.recipes.resnet9_baseline import RECIPE as BASELINE

RECIPE = BASELINE.change({"sam": {"rho": 0.05}})
