"""The layers of the network found. If its folder is gone, a sentence replaces the table."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from results.layers import read_layers
from results.report._table import table
from results.study_record import StudyRecord


def layers(study: StudyRecord) -> Table | str | None:
    """Return the table of layers, or why there is none; None if no network was found, and for a script."""
    if study.is_script:
        return None
    found = study.winner
    if found is None:
        return None
    folder = found["folder"]
    told = read_layers(Path(folder)) if folder else f"trial {found['number']} has no folder"
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
