"""Which configurations may be trained together: those of one network, one recipe and one budget.

It needs no torch, so several configurations are refused as quickly as one.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from trainer.config import TrialConfig
from trainer.errors import Refused

MAY_DIFFER = "seed, subset.seed, subset.part, hyperparameters.learning_rate, hyperparameters.weight_decay"


def refuse_different(configs: Sequence[TrialConfig]) -> None:
    """Raises Refused, naming the key, where they differ in more than MAY_DIFFER, or keep a strict clock."""
    first, *others = (_flat(asdict(_alike(config))) for config in configs)
    for number, other in enumerate(others, start=1):
        for key in sorted(first.keys() | other.keys()):
            if first.get(key) != other.get(key):
                raise Refused(
                    f"configurations 0 and {number} differ in {key}: {first.get(key)!r} and "
                    f"{other.get(key)!r}; together are trained those that differ in {MAY_DIFFER} alone"
                )
    if configs[0].clock == "strict":
        raise Refused('clock strict is one process\'s of one training; give "train", or one --config')


def _alike(config: TrialConfig) -> TrialConfig:
    """Without what may differ."""
    return replace(
        config,
        seed=0,
        subset=replace(config.subset, seed=0, part=0),
        hyperparameters=replace(config.hyperparameters, learning_rate=None, weight_decay=None),
    )


def _flat(held: dict[str, Any]) -> dict[str, Any]:
    """Keys of objects as `subset.train`."""
    flat: dict[str, Any] = {}
    for key, value in held.items():
        nested = _flat(value) if isinstance(value, dict) else None
        flat |= {f"{key}.{name}": one for name, one in nested.items()} if nested else {key: value}
    return flat
