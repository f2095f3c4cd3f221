"""Figures as PNG and SVG files, drawn by Chrome or Chromium on this machine.

Plotly needs a browser to render. Kaleido finds an installed one, and is told to load nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kaleido
import plotly.graph_objects as go
from choreographer.errors import BrowserDepsError, BrowserFailedError, ChromeNotFoundError

from results.errors import StoreError
from results.plots import apply_theme

_WIDTH, _SCALE = 1000, 2


class PicturesUnavailable(StoreError):
    """The files cannot be drawn or written."""


def write_pictures(figures: Mapping[str, go.Figure], folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg of each figure, in the light theme, and return the files.

    Raises PicturesUnavailable if no browser is installed or the folder cannot be written.
    """
    asked = [
        {"fig": apply_theme(go.Figure(figure), dark=False), "path": path, "opts": _options(path, figure)}
        for name, figure in figures.items()
        for path in (folder / f"{name}.png", folder / f"{name}.svg")
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kaleido.write_fig_from_object_sync(asked, kopts={"mathjax": False}, cancel_on_error=True)
    except (ChromeNotFoundError, BrowserDepsError, BrowserFailedError) as error:
        raise PicturesUnavailable(
            "PNG and SVG files are drawn by Chrome or Chromium, which does not start here "
            f"({type(error).__name__}); install it (apt-get install chromium), or name it in BROWSER_PATH, "
            "or save a plot with the camera button above it in the page"
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise PicturesUnavailable(f"cannot write to {folder}: {why}; give another --figures") from error
    return [picture["path"] for picture in asked]


def _options(path: Path, figure: go.Figure) -> dict[str, Any]:
    form = path.suffix.removeprefix(".")
    return {
        "format": form,
        "width": _WIDTH,
        "height": figure.layout.height or 460,
        "scale": _SCALE if form == "png" else 1,
    }
