"""What `--demo` changes of the options of a command, so that it takes minutes on two CPU cores."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# A budget in steps, a number of candidates per iteration and no early stopping, which acts when it reads a
# curve: so a demo finds the same on a slow machine, a busy one and one of many cores (benchmarks/demo.py).
_OF_SEARCHES: Mapping[str, Any] = {
    "base_width": 0.25,
    "data": "digits",
    "train_images": "4000",
    "validation_images": "1000",
    "budget": "250steps",
    "trials": 30,
    "block": 2,
    "pruner": "none",
}
FEW_STEPS = ("auto_augment=null", "cutout=null")  # augmentations that take many steps to pay
OF_0_1 = MappingProxyType({"budget": "15s", "trials": 12, "tolerance": 0.01, "ingredient": ()})


def preset_search(given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a demo with these options, of which `own` are the search's; empty if it is none.

    What is given of early stopping turns it on.
    """
    if not given.get("demo"):
        return {}
    presets = {**_OF_SEARCHES, **own}
    if any(given.get(name) is not None for name in ("early_stop", "audit")):
        del presets["pruner"]
    presets["block"] = min(presets["block"], given.get("trials", presets["trials"]))
    return fit_folds(presets, given)


def fit_folds(presets: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return presets without numbers of images where folds are given, which make them superfluous."""
    idle = ("train_images", "validation_images") if given.get("folds") else ()
    return {name: value for name, value in presets.items() if name not in idle}
