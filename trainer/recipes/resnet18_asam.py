"""A ResNet-18 with ASAM and an average of its weights (Lee, "Deep Learning Term-Project Report", section II).

The report gives a validation accuracy of 97.41%, trained on all of CIFAR-10. Batch 16 and rate .0001 are
its choice, after papers on SGD and SAM. From random weights that rate is doubtful: very low for SGD, and
ten minutes on 5,000 images are short; give a learning_rate of .01 to compare. Of its augmentation it
names a web page and a library only, so crop and flip are chosen here, and so are the average's half-life
and no weight decay; rho and eta are ASAM's own for CIFAR-10.
"""

from trainer.ingredients.asam import Asam
from trainer.ingredients.asymmetric_loss import AsymmetricLoss
from trainer.ingredients.cosine import Cosine
from trainer.ingredients.crop import Crop
from trainer.ingredients.ema import Ema
from trainer.ingredients.flip import Flip
from trainer.recipes import Defaults, Recipe

RECIPE = Recipe(
    Defaults(optimizer="sgd", learning_rate=1e-4, weight_decay=0.0, batch_size=16),
    (Crop(), Flip(), Asam(rho=0.5, eta=0.01), Cosine(), AsymmetricLoss(), Ema()),
)
