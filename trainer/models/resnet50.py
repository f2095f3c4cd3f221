"""ResNet-50 with a stem for small images (He et al. 2016).

Its channels are those of the 3x3 convolutions. A stage returns four times as many.
"""

from trainer.models._bottleneck import build as build
from trainer.models._scale import Base

BASE = Base(channels=(64, 128, 256, 512), blocks=(3, 4, 6, 3))
