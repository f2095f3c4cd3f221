"""Searches of named spaces as their user types them: through a kill -9, and with the real trainer."""

import subprocess
import sys
from pathlib import Path

import pytest

from search_spaces import recipe
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._studies import RUN_COMMAND, command, record, trials

ROOT = Path(__file__).parents[2]
FAKE = (
    *("--model", "senet18", "--space", "recipe", "--study", "s", "--data", "fake:sleep=.2"),
    *("--budget", "10steps", "--solver", "random", "--slots", "2", "--trials", "8"),
)
OWN = ("--model", str(ROOT / "examples" / "own_network.py:build"), "--space", "recipe", "--study", "s")
SMALL = ("--data", "digits", "--train-images", "600", "--validation-images", "100", "--budget", "4steps")


@pytest.mark.slow
def test_a_search_over_recipes_survives_a_kill_of_its_orchestrator(tmp_path: Path) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    subprocess.run(command(calm, *FAKE, program="hpo_search"), check=True, capture_output=True, timeout=100)
    again = command(harried, *FAKE, program="hpo_search")
    with subprocess.Popen(again, stdout=subprocess.DEVNULL) as study:
        assert eventually(lambda: len(list((harried / "s").glob("0*"))) >= 4, 60), "no fourth trial began"
        study.kill()
    assert eventually(lambda: naming(harried) == []), "a process is left over"
    assert {row.state for row in trials(harried)} >= {"completed", "running"}
    subprocess.run(again, check=True, capture_output=True, timeout=100)
    assert record(harried) == record(calm)


@pytest.mark.slow  # tests/test_end_to_end.py searches recipes, too, though not for a network of the user's
@pytest.mark.timeout(300)
def test_recipes_are_searched_with_the_real_trainer(tmp_path: Path) -> None:
    program = [sys.executable, "-P", "-c", RUN_COMMAND.format("hpo_search"), "hpo-search"]
    asked = [*program, *OWN, *SMALL, "--solver", "random", "--trials", "3", "--runs", str(tmp_path)]
    ended = subprocess.run(
        [*asked, "--slots", "2", "--device", "cpu", "--batch-size", "32"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "saved as model tuned_own_network (provisional)" in ended.stdout
    rows = trials(tmp_path)
    assert [row.state for row in rows] == ["completed"] * 3
    for row in rows:
        assert row.config is not None
        assert row.config["ingredients"] == recipe.ingredients(row.point or {})
        assert (row.steps, row.batch_size) == (4, 32)
