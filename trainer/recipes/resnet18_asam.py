"""A ResNet-18 with ASAM and averaged weights (Lee, "Deep Learning Term-Project Report", section II).

The report gives a validation accuracy of 97.41%, trained on all of CIFAR-10. Batch 16 and rate .0001 are its
choice, after papers on SGD and SAM. That rate is very low for SGD from random weights, and ten minutes on
5,000 images are short; give a learning_rate of .01 to compare. Of its augmentation it names only a web page
and a library. Crop, flip, the average's half-life and no weight decay are our choice; rho and eta are ASAM's
own for CIFAR-10.
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
