"""A ResNet-18 with ASAM and averaged weights (Lee, "Deep Learning Term-Project Report", section II).

The report gives a validation accuracy of 97.41%, trained on all of CIFAR-10, and has no released code. The
second column is the code of the techniques' own authors.

               paper                   the authors' own code          here
rate, batch    .0001, 16               -                              the same
ASAM           no settings             rho .5, eta .01, all weights   as the authors' code
loss           asymmetric              powers 0 and 4, smoothing .1   as the authors' code
schedule       cosine                  -                              cosine, over the budget
augmentation   a web page, a library   -                              crop, flip
average        EMA, no rate            -                              half-life of 2% of the steps
weight decay   not given               -                              none

That rate is very low for SGD from random weights, and ten minutes on 5,000 images are short; give a
learning_rate of .01 to compare. Configurations of version 1 have a positive power of 1, timm's default, and
perturb norms' scales as in SAM. Code: github.com/SamsungLabs/ASAM, github.com/Alibaba-MIIL/ASL.
"""

from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(Defaults(optimizer="sgd", learning_rate=1e-4, weight_decay=0.0, batch_size=16)).change(
    {
        "crop": {},
        "flip": {},
        "asam": {"rho": 0.5, "eta": 0.01},
        "cosine": {},
        "asymmetric_loss": {},
        "ema": {},
    }
)
