"""Build the page. The template escapes everything that comes from the database."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from results import study_words
from results.plots import TEMPLATES, remove_title
from results.report import _facts, _layers, _network_folders, comparison
from results.report._figures import Plot, of_both, of_study
from results.study_record import StudyRecord


def page(
    study: StudyRecord,
    other: StudyRecord | None = None,
    folder: Path = Path(),
    trials: Sequence[int] = (),
) -> tuple[str, dict[str, go.Figure]]:
    """Return the page as HTML, and its figures by name.

    other: a study to compare it with; folder: where the page will be, for its links to files;
    trials: whose curves are shown; all without any
    """
    shown = of_study(study, trials)
    together = of_both(study, other) if other else []
    scripts = [get_plotlyjs(), _file("page.js")]
    figures = {plot.name: go.Figure(plot.figure) for plot in (*shown, *together) if not plot.nothing}
    written = (
        _environment()
        .get_template("page.html")
        .render(
            study=study,
            other=other,
            asked=study_words.describe_settings(study),
            found=study_words.describe_result(study),
            facts=_facts,
            layers_of=_layers.layers,
            network_folders=_network_folders.network_folders(study, folder),
            comparison=comparison,
            plots=shown,
            together=together,
            made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            version=_version(),
            style=Markup(_file("page.css")),
            scripts=[Markup(script) for script in scripts],
            policy=_policy(scripts),
            figures=Markup(_json(_drawn([*shown, *together]))),
        )
    )
    return written, figures


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("results.report", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["rows_of"] = lambda table: zip(
        *(column.cells for column in table.columns), strict=True
    )
    return environment


def _file(name: str) -> str:
    return resources.files("results.report").joinpath(name).read_text(encoding="utf-8")


def _version() -> str:
    try:
        return f"nomad-nas {metadata.version('nomad-nas')}"
    except metadata.PackageNotFoundError:
        return "nomad-nas"


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy: these scripts, styles and pictures of the page's own, no network."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    allowed = {
        "default-src": "'none'",
        "script-src": hashes,
        "style-src": "'unsafe-inline'",  # plotly sets styles on its elements
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{what} {whence}" for what, whence in allowed.items())


def _drawn(plots: Sequence[Plot]) -> dict[str, Any]:
    """Return what the page's script needs: each figure without a theme, and the themes."""
    return {
        "figures": {
            plot.name: remove_title(go.Figure(plot.figure)).to_plotly_json()
            for plot in plots
            if not plot.nothing
        },
        "themes": {name: theme.to_plotly_json() for name, theme in TEMPLATES.items()},
    }


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element: it cannot contain a tag."""
    text = json.dumps(value, default=_plain, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
