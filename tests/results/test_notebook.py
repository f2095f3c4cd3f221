"""The example notebooks run, and what they show came from a run from top to bottom.

To make its outputs anew: PLOTLY_RENDERER=png NAS_DB=FILE jupyter nbconvert --execute --inplace
examples/results.ipynb, with a Chromium for the pictures.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.orchestrator._studies import run
from tests.results.processes import ROOT

NOTEBOOK = ROOT / "examples" / "results.ipynb"
SEARCH = ROOT / "examples" / "search.ipynb"


def opened(file: Path = NOTEBOOK) -> Any:
    return nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call, unused-ignore]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
def test_the_notebook_runs_on_the_record_of_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    run(tmp_path, trials=40, confirm=2, tolerance=0.05)  # enough for importance
    monkeypatch.setenv("NAS_DB", str(tmp_path / "results.db"))
    monkeypatch.setenv("PLOTLY_RENDERER", "json")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notebook = opened()
        client = NotebookClient(notebook, timeout=100, kernel_name="python3")
        client.execute(cwd=str(tmp_path))  # raises where a cell does
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    drawn = [output for output in shown if "application/json" in output.get("data", {})]
    assert len(drawn) == 6
    assert all(figure["data"]["application/json"]["data"] for figure in drawn), "an empty plot"
    assert not [output for output in shown if output["output_type"] == "stream"], "it says what nobody asked"


@pytest.mark.slow  # trains for minutes
@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
def test_the_notebook_of_a_search_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notebook = opened(SEARCH)
        NotebookClient(notebook, timeout=900, kernel_name="python3").execute(cwd=str(tmp_path))
    assert (tmp_path / "smaller.html").is_file()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [one["data"]["text/plain"] for one in shown if "text/plain" in one.get("data", {})][-1].startswith(
        "<study 'smaller': finished"
    )


@pytest.mark.parametrize(("file", "pictures"), [(NOTEBOOK, 6), (SEARCH, 0)], ids=["results", "search"])
def test_a_notebook_is_shown_as_a_run_from_top_to_bottom_left_it(file: Path, pictures: int) -> None:
    notebook = opened(file)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code)
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs) == pictures


@pytest.mark.parametrize("file", [NOTEBOOK, SEARCH], ids=["results", "search"])
def test_a_notebook_is_small_and_names_no_machine(file: Path) -> None:
    text = file.read_text()
    assert len(text) < 300_000
    assert not re.findall(r"/(?:home|root|tmp|Users|work)/", text)
