"""The demo as its user types it, with the real trainer on real images."""

import subprocess
import sys
from pathlib import Path

import pytest

from results.db.store import Store
from tests.orchestrator._studies import RUN_COMMAND, record

pytestmark = pytest.mark.slow


def demo(folder: Path, *options: str) -> str:
    """Run the demo to its end: what it printed."""
    words = ("nas-search", "--base", "senet18", "--demo", "--study", "s", "--device", "cpu", "--runs", folder)
    program = [sys.executable, "-P", "-c", RUN_COMMAND.format("nas_search")]
    ended = subprocess.run([*program, *words, *options], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.timeout(1800)  # minutes where nothing else runs
def test_the_demo_confirms_a_smaller_network(tmp_path: Path) -> None:
    printed = demo(tmp_path)
    assert "saved as model nomad_senet18 (confirmed: " in printed
    with Store(tmp_path / "results.db", read_only=True) as store:
        (study,), (model,) = store.studies(), store.models()
        base = store.trials(study.id)[0].macs or 0
    assert model.macs < base
    assert study.baseline_accuracy is not None
    assert study.baseline_accuracy > 0.5, "well above chance, which is 0.1"


@pytest.mark.timeout(600)
def test_a_demo_of_one_worker_records_what_one_of_two_records(tmp_path: Path) -> None:
    short = ("--budget", "40steps", "--trials", "8", "--tolerance", ".2")
    for slots in ("1", "2"):
        demo(tmp_path / slots, *short, "--slots", slots)
    one, two = record(tmp_path / "1"), record(tmp_path / "2")
    assert one == two
    assert len({row["val_accuracy"] for row in one}) > 2, "the trainings were real"
