"""What a command does not import: its help, a plan and a list wait for no library that they do not use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import solvers
from results.db.store import Store
from tests.orchestrator._studies import TRAINER
from tests.thinned import rest_slow

HEAVY = {"torch", "optuna", "cmaes", "PyNomad", "numpy", "scipy", "pandas", "plotly", "sklearn", "httpx"}
SAY_PACKAGES = """
import atexit, json, pathlib, sys
said = pathlib.Path("packages.json").resolve()
atexit.register(lambda: said.write_text(json.dumps([name.partition(".")[0] for name in sys.modules])))
"""
COMMAND = "from {} import {} as command; sys.argv = [command.__name__, *sys.argv[1:]]; command()"
NAS_SEARCH = COMMAND.format("orchestrator.cli.commands", "nas_search")
NAS_RESULTS = COMMAND.format("results.cli.commands", "nas_results")
FAKE = ("--base", "senet18", "--data", "fake:", "--budget", "10steps", "--trainer", TRAINER, "--plan")


def imported(folder: Path, program: str, *words: str) -> tuple[set[str], str]:
    """Run a program until its end: the packages in its process then, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", SAY_PACKAGES + program, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads((folder / "packages.json").read_text())), done.stdout


@pytest.mark.parametrize(("program", "others"), [(NAS_SEARCH, {"sqlalchemy"}), (NAS_RESULTS, set[str]())])
def test_help_imports_no_library_of_searches(tmp_path: Path, program: str, others: set[str]) -> None:
    packages, printed = imported(tmp_path, program, "--help")
    assert "Usage" in printed
    assert packages.isdisjoint(HEAVY | others)


def test_the_package_alone_imports_nothing_heavy(tmp_path: Path) -> None:
    packages, _ = imported(tmp_path, "import orchestrator")
    assert packages.isdisjoint({*HEAVY, "sqlalchemy", "pydantic", "typer", "rich"})


def test_studies_are_listed_without_pandas(tmp_path: Path) -> None:
    with Store(str(tmp_path / "results.db")) as store:
        study = store.open_study("one", "nas", {"subject": "senet18"}, 4, {}, None)
        store.end_study(study.id, "finished", "")
    packages, printed = imported(tmp_path, NAS_RESULTS, "list", "--db", "results.db")
    assert "one" in printed
    assert packages.isdisjoint(HEAVY)


@pytest.mark.parametrize("solver", rest_slow(solvers.names(), ("nomad", "gp")))
def test_a_plan_imports_no_library_of_its_solver(tmp_path: Path, solver: str) -> None:
    packages, printed = imported(tmp_path, NAS_SEARCH, *FAKE, "--solver", solver)
    assert "in a sample of" in printed
    assert packages.isdisjoint(HEAVY)


def test_the_demo_s_plan_describes_the_networks_that_it_always_did(tmp_path: Path) -> None:
    packages, printed = imported(tmp_path, NAS_SEARCH, "--base", "senet18", "--demo", "--plan")
    assert "M MACs: base 8.77; in a sample of 300 networks 0.21 to 44.80, median 3.52\n" in printed
    assert "skipped before training (not smaller than the base): 23% of the space\n" in printed
    assert packages.isdisjoint(HEAVY)
