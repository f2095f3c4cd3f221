"""The commands as functions: what they return, raise and leave, also from a notebook's event loop."""

import asyncio
import inspect
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator import StudyResult, evaluate, hpo_search, load_study, nas_search
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import RunOptions
from orchestrator.spec.search_options import HpoOptions, NasOptions
from results.errors import NotOnRecord
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import TRAINER

FAKE: dict[str, Any] = {"data": "fake:", "budget": "10steps", "device": "cpu", "slots": 1, "trainer": TRAINER}
SEARCH: dict[str, Any] = {**FAKE, "solver": "random", "trials": 6, "replicates": 2, "confirm": 0}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return nas_search("senet18", **SEARCH, study="s", runs=tmp_path_factory.mktemp("api"))


def test_a_search_returns_its_study_with_its_trials_and_its_best(searched: StudyResult) -> None:
    assert searched.name == "s"
    assert searched.facts["state"] == "finished"
    assert list(searched.trials["number"]) == list(range(1, len(searched.trials) + 1))
    best = searched.best
    assert best is not None
    assert best["macs"] == searched.trials.set_index("number").loc[best["trial"], "macs"]
    assert repr(searched) == "<study 's': finished, 6/6 trainings>"
    assert searched.saved_models == ["nomad_senet18"]


def test_the_report_is_written_where_it_is_asked_for(searched: StudyResult, tmp_path: Path) -> None:
    page = searched.report(tmp_path / "page.html")
    assert page == tmp_path / "page.html"
    assert "nomad_senet18" in page.read_text()


def test_a_study_is_loaded_and_resumed_with_a_larger_budget(tmp_path: Path) -> None:
    nas_search("senet18", **SEARCH, study="s", runs=tmp_path, progress=False)
    loaded = load_study("s", runs=tmp_path, trainer=TRAINER, device="cpu", slots=1)
    before = list(loaded.trials["point"])
    more = loaded.resume(trials=9)
    assert more.facts["spent"] == 9
    assert list(more.trials["point"])[: len(before)] == before
    with pytest.raises(NotOnRecord, match="'t'"):
        load_study("t", runs=tmp_path)


def test_a_model_found_is_tuned_and_evaluated_by_its_name(searched: StudyResult, tmp_path: Path) -> None:
    [name] = searched.saved_models
    usual = {**FAKE, "db": searched.database}
    tuned = hpo_search(name, **usual, runs=tmp_path, solver="random", trials=3, study="tuned")
    assert tuned.best is not None
    assert tuned.best["learning_rate"] > 0
    ranked = evaluate(["senet18", name], **usual, folder=tmp_path, runs=2, study="ranked")
    assert set(ranked.ranking["model"]) == {"senet18", name}
    assert ranked.best is not None
    assert ranked.best["model"] in ("senet18", name)
    with pytest.raises(NotOnRecord, match="is of kind nas"):
        _ = searched.ranking
    assert ranked.resume(runs=3).facts["spent"] == 6
    loaded = load_study("ranked", db=searched.database, runs=tmp_path, trainer=TRAINER, device="cpu", slots=1)
    again: dict[str, Any] = {"model": ["senet18", name], "data": "fake:", "budget": "10steps"}
    assert loaded.resume(**again, runs=4).facts["spent"] == 8


def test_bad_options_raise_what_the_command_would_print(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="--trials 0 is too few; give at least 1"):
        nas_search("senet18", trials=0)
    with pytest.raises(BadOption, match="triels is not an option of nas-search"):
        nas_search("senet18", triels=3)
    with pytest.raises(BadOption, match="plan is an option of the command hpo-search alone"):
        hpo_search("senet18", plan=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("function", "model"), [(nas_search, NasOptions), (hpo_search, HpoOptions), (evaluate, EvaluationOptions)]
)
def test_the_keywords_of_a_function_are_the_options_of_its_command(
    function: Any, model: type[RunOptions]
) -> None:
    keywords = inspect.signature(function).parameters
    assert set(keywords) - {"progress"} == set(model.options("user", "owner"))
    for name, option in model.options("user", "owner").items():
        assert f"    {name}: {option.help}" in function.__doc__


def test_what_is_no_matter_of_the_machine_is_refused_when_a_study_is_loaded(searched: StudyResult) -> None:
    with pytest.raises(BadOption, match=r"load_study does not take budget; give one of slots, device, "):
        load_study("s", db=searched.database, budget="9steps")
    with pytest.raises(BadOption, match="load_study does not take runz; "):
        load_study("s", runz="elsewhere")


def test_a_resume_takes_the_machine_s_options_from_where_the_study_was_loaded(tmp_path: Path) -> None:
    nas_search("senet18", **SEARCH, study="s", runs=tmp_path, progress=False)
    loaded = load_study("s", runs=tmp_path, trainer=TRAINER, device="cpu", slots=2, progress=False)
    assert loaded.resume(trials=9).facts["slots"] == 2


def test_a_removed_option_is_told_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="stack was removed and is ignored"):
        nas_search("senet18", **SEARCH, study="s", runs=tmp_path, progress=False, stack=2)


def test_the_functions_are_found_by_a_notebook_s_tab_key() -> None:
    assert {"nas_search", "hpo_search", "evaluate", "load_study"} <= set(dir(orchestrator))


def test_a_search_runs_within_an_event_loop_as_a_notebook_has_it(tmp_path: Path) -> None:
    async def cell() -> StudyResult:
        return nas_search("senet18", **SEARCH, study="s", runs=tmp_path)

    assert asyncio.run(cell()).facts["state"] == "finished"


def test_the_bar_ends_full_and_names_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nas_search("senet18", **SEARCH, study="s", runs=tmp_path)
    shown = capsys.readouterr()
    assert shown.err == ""
    last = shown.out.rstrip().rpartition("\r")[2]
    assert "100%" in last
    assert "6/6" in last
    assert "best" in last
    nas_search("senet18", **SEARCH, study="t", runs=tmp_path, progress=False)
    assert "%" not in capsys.readouterr().out


def test_an_interrupt_ends_the_trainings_and_the_study_is_resumed(tmp_path: Path) -> None:
    asked = {**SEARCH, "data": "fake:sleep=1", "study": "s", "runs": tmp_path, "trials": 3, "replicates": 1}
    main = threading.main_thread().ident
    assert main is not None

    def interrupt_when_it_trains() -> None:
        eventually((tmp_path / "s" / "00001" / "metrics.jsonl").exists)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt_when_it_trains).start()
    with pytest.raises(KeyboardInterrupt):
        nas_search("senet18", **asked)
    left = load_study("s", runs=tmp_path, trainer=TRAINER)
    assert left.facts["state"] == "stopped"
    assert left.resume().facts["state"] == "finished"


INTERRUPTED = """
import json, sys
from orchestrator import load_study, nas_search
asked = json.loads(sys.argv[1])
try:
    nas_search("senet18", **asked)
except KeyboardInterrupt:
    print(load_study("s", runs=asked["runs"]).facts["state"])
"""


@pytest.mark.slow  # waits out the grace of a training, ten seconds
def test_a_second_interrupt_waits_for_the_trainings_too(tmp_path: Path) -> None:
    asked = {**SEARCH, "data": "fake:sleep=60,ignore_sigterm", "study": "s", "runs": str(tmp_path)}
    command = [sys.executable, "-c", INTERRUPTED, json.dumps(asked)]
    metrics = tmp_path / "s" / "00001" / "metrics.jsonl"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as search:
        eventually(lambda: metrics.exists() and metrics.stat().st_size > 0)  # it ignores SIGTERM from here on
        search.send_signal(signal.SIGINT)
        time.sleep(0.5)
        search.send_signal(signal.SIGINT)
        printed, _ = search.communicate(timeout=60)
    assert printed.split()[-1] == "stopped"


def test_the_package_is_imported_without_its_api_until_it_is_used() -> None:
    code = "import sys, orchestrator; print('orchestrator.api' in sys.modules, len(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == "False"
    with pytest.raises(AttributeError, match="no attribute 'nas_serch'"):
        _ = orchestrator.nas_serch
