"""ResNeXt-29, 2x64d: bottlenecks whose 3x3 convolutions are in two groups (Xie et al. 2017).

Its channels are those of one group, 64 in the first stage. A stage returns four times as many. The three
stages reduce the image 4 times.
"""

from functools import partial

from trainer.models import _bottleneck
from trainer.models._scale import Base

BASE = Base(channels=(64, 128, 256), blocks=(3, 3, 3))
build = partial(_bottleneck.build, groups=2)
