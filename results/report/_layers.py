"""The layers of the network found, as the trainer reported them.

They are too many for the database, so they are in the trial's folder only. If the folder is gone, or the
trainer reports no layers, a sentence replaces the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from results import file_names
from results.report._table import table
from results.study_record import Row, StudyRecord

_BYTES = 1_000_000  # of a line, at most


def layers(study: StudyRecord) -> Table | str | None:
    """Return the table of layers, or why there is none; None if no network was found."""
    found = study.winner
    if found is None:
        return None
    told = _told(found)
    if isinstance(told, str):
        return f"The layers of the network are not known: {told}."
    return table(
        f"Layers of the network of trial {found['number']}, from input to output",
        [{"place": str(place), **layer} for place, layer in enumerate(told, 1)],
        {
            "layer": lambda layer: layer["place"],
            "path": lambda layer: str(layer["name"]) or "-",
            "kind": lambda layer: str(layer["kind"]),
            "output": lambda layer: "x".join(map(str, layer["output"])) or "-",
            "parameters": lambda layer: f"{layer['parameters']:,}",
            "MACs": lambda layer: f"{layer['macs']:,}",
        },
        texts=("path", "kind"),
    )


def _told(found: Row) -> list[dict[str, Any]] | str:
    if not found["folder"]:
        return f"trial {found['number']} has no folder"
    path = Path(found["folder"]) / file_names.METRICS
    try:
        told: Any = next(_of_model(path), None)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    if not isinstance(told, list) or not told or not all(map(_is_layer, told)):
        return f"{path} does not list them"
    return list(told)


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
