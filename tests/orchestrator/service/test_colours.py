"""The colours of the page's own plots: each kind of trial has one of its own, in both themes."""

import re
from pathlib import Path

import pytest

STYLE = Path(__file__).parents[3] / "orchestrator" / "service" / "static" / "style.css"
# as plot.js names them
KINDS = ("circle", ".confirmed", ".rejected", ".undecided", ".baseline", ".confirmation")


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_no_two_kinds_of_trials_have_one_colour(theme: int) -> None:
    style = STYLE.read_text()
    names = [
        re.findall(rf"^\.plot {re.escape(kind)} {{ fill: var\((--[\w-]+)\);", style, re.M) for kind in KINDS
    ]
    colours = [re.findall(rf"{found[0]}: (#\w+);", style)[theme] for found in names]
    assert len(set(colours)) == len(KINDS)
