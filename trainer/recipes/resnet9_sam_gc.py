"""The ResNet-9 paper's SAM with gradient centralization (Awad et al. 2022, section 2.3).

The paper reports 83.15% on Mini-CIFAR-10, in 99 epochs (table 1).

               paper               released code   here
centralized    "the gradients"     none            weights of two dimensions or more, the classifier's too
the rest       see resnet9_sam
"""

from trainer.recipes.resnet9_sam import RECIPE as WITH_SAM

RECIPE = WITH_SAM.change({"gradient_centralization": {}})
