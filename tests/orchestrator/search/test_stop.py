"""A search ends where all trainings fail alike, nothing cheaper is left, or more would save too little."""

import sys
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.console import progress
from orchestrator.search.common_failure import RETRY, TrainingsFailed
from orchestrator.solvers import SolverProcess
from orchestrator.spec.command_options import BadOption
from orchestrator.study import run as study_run
from results import queries
from results.analysis.forecast import expected_saving
from results.cli import show
from results.db.store import Store
from results.db.tables import Event, Study
from results.tables import studies_table
from tests.orchestrator._processes import FAKE_TRAINER
from tests.orchestrator._studies import record, run, settled, trials, typed
from tests.thinned import rest_slow

SAVING = Path(__file__).with_name("saving_solver.py")


def events(folder: Path, kind: str) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        return [event for event in store.events(store.studies()[0].id) if event.kind == kind]


def recorded(folder: Path) -> Study:
    with Store(folder / "results.db", read_only=True) as store:
        [study] = store.studies()
        return study


def failing_trainer(folder: Path, when: str, code: object = "the disk of the data is gone") -> str:
    """A trainer that exits with this code, or with this text and 1, in trainings of which `when` is true."""
    script = folder / "trainer.py"
    script.write_text(
        "import json, pathlib, runpy, sys\n"
        "def scale():\n"
        "    return json.loads(pathlib.Path(sys.argv[3]).read_text())['scale']\n"
        f"if sys.argv[1] == 'train' and ({when}):\n"
        f"    sys.exit({code!r})\n"
        f"runpy.run_path({str(FAKE_TRAINER)!r}, run_name='__main__')\n"
    )
    return f"{sys.executable} {script}"


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"solver": "nomad", "kind": "hpo", "block": 1}, 4),
        ({"solver": "random", "min_accuracy": 0.8, "block": 6}, 4),
        ({"solver": "tpe", "kind": "hpo", "block": 6, "slots": 5}, 5),
    ],
)
def test_a_search_whose_first_trainings_fail_alike_ends_and_goes_on_once_the_cause_is_mended(
    tmp_path: Path, given: dict[str, Any], failed: int
) -> None:
    mended = tmp_path / "mended"
    trainer = failing_trainer(tmp_path, f"not pathlib.Path({str(mended)!r}).exists()")
    asked = {"trials": 14, "executor": "local", "trainer": trainer, **given}
    with pytest.raises(TrainingsFailed) as refused:
        run(tmp_path, **asked)
    assert str(refused.value).startswith(
        "the first 4 trainings of the search all failed (trials 1, 2, 3, 4): crashed, exit code 1: the disk "
        "of the data is gone; see "
    )
    assert str(refused.value).endswith("s/00001/log.txt; fix that and run the same command again")
    assert [row.reason for row in trials(tmp_path) if row.attempts] == ["crashed"] * failed
    assert (recorded(tmp_path).state, recorded(tmp_path).message) == ("failed", str(refused.value))
    mended.touch()
    printed = run(tmp_path, **asked)
    assert "the first trainings all failed (crashed); the search begins again with trial " in printed
    rows, [retry] = trials(tmp_path), events(tmp_path, RETRY)
    begun = retry.detail["first"]
    assert [row.state for row in rows if row.attempts][: failed + 1] == ["failed"] * failed + ["completed"]
    again = next(row for row in rows if row.number == begun)
    assert (again.state, again.point) == ("completed", rows[0].point), "the start, which was not given up"
    assert sum(row.attempts > 0 for row in rows) == 14, "the failed ones are counted and kept"
    assert "saved as model " in printed


SMALLER = "set(scale().values()) != {1.0}"


def test_candidates_that_do_not_fit_do_not_end_a_search_whose_base_was_trained(tmp_path: Path) -> None:
    run(tmp_path, executor="local", trainer=failing_trainer(tmp_path, SMALLER, 4), trials=8)
    trained = [row.reason for row in trials(tmp_path) if row.attempts]
    assert trained == [None, None, *["out_of_memory"] * 6]


def test_candidates_that_all_crash_end_a_search_whose_base_was_trained(tmp_path: Path) -> None:
    with pytest.raises(TrainingsFailed, match=r"all failed \(trials 4, .*\): crashed, .* same command again"):
        run(tmp_path, executor="local", trainer=failing_trainer(tmp_path, SMALLER), trials=20)
    trained = [row.state for row in trials(tmp_path) if row.attempts]
    assert trained == ["completed", "completed", *["failed"] * 4]


def test_a_trainer_without_the_score_that_is_sought_ends_the_search_soon(tmp_path: Path) -> None:
    asked = ["--base", "senet18", "--data", "fake:", "--budget", "10steps", "--metric", "macro_f1"]
    ended = typed(tmp_path, *asked, "--min-accuracy", ".8", "--solver", "random", "--slots", "1")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("nas-search: the first 4 trainings of the search all failed (trials 1, ")
    assert "its trainer does not report what --metric macro_f1 needs: omit --metric" in ended.stderr


FEW: dict[str, Any] = {"depth": "1", "width": "1", "resolution": ".5:1", "data": "fake:noise=.0003"}


@pytest.mark.parametrize("solver", rest_slow(["nomad", "tpe", "gp", "local", "random"], ["nomad", "random"]))
def test_a_search_ends_where_no_network_left_is_smaller_than_the_confirmed_one(
    tmp_path: Path, solver: str
) -> None:
    asked = {**FEW, "solver": solver, "confirm": 4, "early_stop": 0}
    printed = run(tmp_path, trials=400, **asked)
    rows, message = trials(tmp_path), recorded(tmp_path).message or ""
    best = max((row for row in rows if row.verdict == "confirmed"), key=lambda row: row.number)
    searched = [row for row in rows if row.purpose == "search"]
    smaller = {row.macs for row in searched if (row.macs or 0) < (best.macs or 0)}
    if smaller:
        end = f"the only network that is smaller than trial {best.number} was trained"
    else:
        end = f"no other network is smaller than trial {best.number}"
    assert message == f"nothing cheaper is left: {end}"
    assert len(smaller) <= 1
    assert f"finished: {message}\n" in printed
    assert [row.state for row in rows[-3:]] != ["screened"] * 3, "at once"


def test_a_search_for_accuracy_ends_where_every_candidate_was_trained(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"maximise": "accuracy", "confirm": 0, "width": "1", "depth": "1"}
    asked["resolution"] = ".75:1.5"
    run(tmp_path, trials=400, **asked)
    assert recorded(tmp_path).message == "nothing is left: all 7 candidates were trained"
    before = trials(tmp_path)
    assert sum(row.attempts > 0 for row in before) == 7
    run(tmp_path, trials=500, **asked)
    assert len(trials(tmp_path)) == len(before), "a resume asks nothing more"


def test_a_solver_that_knows_all_sizes_ends_where_nothing_is_smaller_than_what_met_the_bound_once(
    tmp_path: Path,
) -> None:
    run(tmp_path, trials=400, min_accuracy=0.5, width="1", depth="1", resolution=".75:1.5")
    rows = trials(tmp_path)
    least = min((row for row in rows if row.state == "completed"), key=lambda row: row.macs or 0)
    end = f"nothing cheaper is left: no other network is smaller than trial {least.number}"
    assert recorded(tmp_path).message == end


@pytest.fixture
def _with_beliefs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the searches of a test ask `saving_solver.py`."""
    command = [sys.executable, str(SAVING)]
    monkeypatch.setattr(study_run, "SolverProcess", partial(SolverProcess, command=command))


@pytest.mark.usefixtures("_with_beliefs")
def test_a_search_ends_where_more_trainings_are_expected_to_save_too_little(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"solver": "nomad", "confirm": 2, "trials": 14, "seed": 1}
    ended = run(tmp_path, until_saving="5%", **asked)
    saving = "expected saving of 10 more trainings:"
    message = f"{saving} 3.1%, less than --until-saving 5%"
    assert f"finished: {message}\n" in ended
    assert recorded(tmp_path).message == message
    [event] = events(tmp_path, "until_saving")
    assert event.detail == {"expected_saving": 0.5**5, "until_saving": "5%"}
    searched = [row for row in trials(tmp_path) if row.purpose == "search"]
    assert [row.belief for row in searched] == [{"expected_saving": 0.5**step} for step in range(5)]
    assert f"{saving} 6.2%]" in ended, "beside the time left"

    run(tmp_path, until_saving=0.05, **asked)
    assert len(trials(tmp_path)) == len(searched) + 2, "the same again trains nothing"
    run(tmp_path, until_saving=".01", **asked)
    assert recorded(tmp_path).message == f"{saving} 0.8%, less than --until-saving .01"
    run(tmp_path, **asked)
    assert recorded(tmp_path).message == "the search has spent its 14 trainings"
    whole = tmp_path / "whole"
    run(whole, **asked)
    assert [row.point for row in trials(whole)] == [row.point for row in trials(tmp_path)]


@pytest.mark.slow
def test_the_model_of_accuracy_says_what_more_trainings_save(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"solver": "nomad", "confirm": 4, "trials": 40}
    run(tmp_path, until_saving="20%", **asked)
    told = [saving for row in trials(tmp_path) if (saving := expected_saving(row.belief)) is not None]
    assert told
    assert min(told) >= 0.2
    [event] = events(tmp_path, "until_saving")
    assert 0 <= event.detail["expected_saving"] < 0.2
    run(tmp_path, **asked)
    run(tmp_path / "whole", **asked)
    assert record(tmp_path) == record(tmp_path / "whole"), "where it stopped leaves no trace"


@pytest.mark.usefixtures("_with_beliefs")
def test_what_more_trainings_are_expected_to_save_is_shown_while_a_study_runs(tmp_path: Path) -> None:
    run(tmp_path, solver="nomad", confirm=2, trials=7)
    with Store(tmp_path / "results.db") as store:
        study = recorded(tmp_path)
        store.end_study(study.id, "running", None)
        meter = progress.start_meter(study, None, 1, store.trials(study.id))
    assert str(meter).endswith(", expected saving of 10 more trainings: 3.1%")
    database = tmp_path / "results.db"
    assert queries.study_rows(database)[0]["expected_saving"] == 0.5**5
    told = Console(width=200, record=True, file=StringIO())
    told.print(show.study_words(show.study_facts(database, "s")), studies_table(queries.study_rows(database)))
    text = told.export_text()
    assert "expected saving 3.1% by 10 more trainings" in " ".join(text.split())


def test_a_search_whose_solver_has_no_model_refuses_to_wait_for_its_saving(tmp_path: Path) -> None:
    for given in ({"solver": "random", "confirm": 2}, {"solver": "nomad", "confirm": 0}, {"kind": "hpo"}):
        with pytest.raises(
            BadOption, match=r"--until-saving 1% needs the solver's model of .* --solver nomad"
        ):
            run(tmp_path, until_saving="1%", **given)
    assert not (tmp_path / "s").exists()
    for wrong in ("0", "100%", "2", "little"):
        with pytest.raises(BadOption, match=f"--until-saving {wrong} is not a share .* like 1% or .01"):
            settled(tmp_path, until_saving=wrong)
