"""The ResNet-9 paper's best: SAM and "improved preprocessing" (Awad et al. 2022, section 2.4).

The paper reports 86.6% on Mini-CIFAR-10, in 200 epochs (table 1). Its wording of the techniques is that of
Page's "How to train your ResNet 8: Bag of tricks" (github.com/davidcpage/cifar10-fast).

               paper                    Page's code                        here
smoothing      .1                       .2                                 .1
weight decay   .0005 w'w, without 1/2   5e-4 x batch, of a summed loss     5e-4 as an optimizer's
CELU's alpha   .3                       .075 with norms' scales of 1/4,    .3 with learnt scales
                                        which is .3 with scales of 1
whitening      3x3, no eps              3x3, eps 1e-2, half precision      3x3, eps 1e-2, fp32
the rest       see resnet9_sam

The weight decay read literally would be .001 here. Configurations of version 1 have a whitening eps of 5e-4,
airbench's for 2x2 patches, and run it in the training's precision. The paper's released script has smoothing
.2, as Page has.
"""

from dataclasses import replace

from trainer.recipes.resnet9_sam import RECIPE as WITH_SAM

RECIPE = replace(WITH_SAM, defaults=replace(WITH_SAM.defaults, weight_decay=5e-4)).change(
    {"label_smoothing": {"alpha": 0.1}, "celu": {"alpha": 0.3}, "patch_whitening": {}}
)
