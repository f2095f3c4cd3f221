"""Wide ResNet WRN-16-8: 16 layers, 8 times as wide as the thin network (Zagoruyko and Komodakis 2016)."""

from functools import partial

from trainer.models import _wide

BASE = _wide.make_base(depth=16, k=8)
build = partial(_wide.build, base=BASE)
