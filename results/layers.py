"""The layers of a network, as the trainer reported them.

They are too many for the database, so they are in the trial's folder only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from results import file_names

_BYTES = 1_000_000  # of a line, at most


def read_layers(folder: Path) -> list[dict[str, Any]] | str:
    """Return the layers listed in a trial's folder, from input to output, or why they are not known."""
    path = folder / file_names.METRICS
    try:
        told: Any = next(_of_model(path), None)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    if not isinstance(told, list) or not told or not all(map(_is_layer, told)):
        return f"{path} does not list them"
    return list(told)


def count_layers(folder: Path | None) -> int | None:
    """Return the number of layers; None if it is not known."""
    told = read_layers(folder) if folder is not None else ""
    return len(told) if isinstance(told, list) else None


def _of_model(path: Path) -> Iterator[object]:
    """Yield the layers listed in the `model` events."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_BYTES):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, Mapping) and event.get("event") == "model":
                yield event.get("layers")


def _is_layer(told: object) -> bool:
    return (
        isinstance(told, dict)
        and all(isinstance(told.get(name), str) for name in ("name", "kind"))
        and all(isinstance(told.get(name), int) for name in ("parameters", "macs"))
        and isinstance(told.get("output"), list)
    )
