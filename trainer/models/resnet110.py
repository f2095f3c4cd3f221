"""ResNet-110 for small images: three thin stages of 18 blocks (He et al. 2016, section 4.2).

Shortcuts that change the size are projections.
"""

from trainer.models._scale import Base
from trainer.models.resnet18 import build as build

BASE = Base(channels=(16, 32, 64), blocks=(18, 18, 18))
