"""Wide ResNet WRN-28-2: 28 layers, 2 times as wide as the thin network (Zagoruyko and Komodakis 2016)."""

from functools import partial

from trainer.models import _wide

BASE = _wide.make_base(depth=28, k=2)
build = partial(_wide.build, base=BASE)
