"""Studies in an Optuna storage, held by what Optuna itself makes of them."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from typer.testing import CliRunner

from results import optuna_mirror
from results.cli.commands import main
from results.db.store import Store
from results.db.tables import Study
from results.errors import NotOnRecord, StoreError, StoreUnavailable
from results.mirror import MirrorResult
from tests.optuna_storage import open_storage
from tests.results.processes import ROOT
from tests.results.records import open_study

WIDTHS = {"kind": "real", "name": "width", "low": 0.25, "high": 1.0, "log": False, "granularity": 0.25}
SPACE = [
    WIDTHS,
    {"kind": "real", "name": "rate", "low": 0.001, "high": 0.1, "log": True, "granularity": None},
    {"kind": "integer", "name": "blocks", "low": 1, "high": 9, "log": False},
    {"kind": "choice", "name": "pooling", "values": ["max", "average"], "ordered": False},
]
POINT = {"width": 0.5, "rate": 0.01, "blocks": 3, "pooling": "max"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "optuna.db")


@pytest.fixture
def searched(tmp_path: Path) -> Iterator[tuple[str, Store, Study]]:
    """A database with a NAS study in every state that a trial can be in; its bound is .89."""
    db = str(tmp_path / "results.db")
    with Store(db) as store:
        yield db, store, search(store)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Such a study in an Optuna storage, to read only."""
    folder = tmp_path_factory.mktemp("bridge")
    with Store(db := folder / "results.db") as store:
        search(store)
    brought = optuna_mirror.export(db, "demo", str(folder / "optuna.db"))
    assert (brought.added, brought.ended, brought.total) == (8, 0, 8)
    return str(folder / "optuna.db")


def search(store: Store) -> Study:
    study = open_study(store, space=SPACE)
    train(store, study, 1, 10_000_000, 0.90, purpose="baseline", point={**POINT, "width": 1.0})
    store.set_bound(
        study.id, min_accuracy=0.89, baseline_accuracy=0.9, baseline_std=0.0, baseline_replicates=1
    )
    train(store, study, 2, 5_000_000, 0.895, objective=5e6, constraints=[-0.005])
    train(store, study, 3, 3_000_000, 0.80, objective=3e6, constraints=[0.09])
    answer(store, study, 4, "screened", macs=8_000_000, objective=8e6, constraints=[0.0])
    answer(store, study, 5, "duplicate", macs=5_000_000, of_trial_number=2, constraints=[-0.005])
    failed = begin(store, study, 6, 4_000_000)
    store.finish_trial(failed, "failed", reason="timeout", message="no end after 30 s; killed")
    pruned = begin(store, study, 7, 2_000_000)
    store.finish_trial(pruned, "pruned", curve((0.2, 0.3), (0.4, 0.5)), stop_progress=0.4)
    begin(store, study, 8, 6_000_000)
    return study


def begin(store: Store, study: Study, number: int, macs: int, **columns: Any) -> int:
    given = {"purpose": "search", "point": POINT, **columns}
    return store.start_trial(study.id, number, macs=macs, parameters=macs // 20, **given).id


def train(store: Store, study: Study, number: int, macs: int, accuracy: float, **columns: Any) -> None:
    heard = {name: columns.pop(name) for name in ("objective", "constraints") if name in columns}
    begun = begin(store, study, number, macs, **columns)
    measured = curve((0.5, accuracy / 2), (1.0, accuracy))
    store.finish_trial(begun, "completed", measured, val_accuracy=accuracy, **heard)


def answer(store: Store, study: Study, number: int, state: str, **columns: Any) -> None:
    store.answer_trial(study.id, number, state, purpose="search", point=POINT, **columns)


def curve(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"progress": progress, "val_accuracy": accuracy} for progress, accuracy in points]


def there(url: str, name: str = "demo") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(url))


def trials(url: str) -> dict[int, FrozenTrial]:
    return {trial.user_attrs["trial"]: trial for trial in there(url).trials}


def test_every_state_has_one_of_optuna_s(exported: str) -> None:
    states = {number: trial.state.name for number, trial in trials(exported).items()}
    assert states == {
        1: "COMPLETE", 2: "COMPLETE", 3: "COMPLETE", 4: "PRUNED", 5: "COMPLETE", 6: "FAIL", 7: "PRUNED",
        8: "RUNNING",
    }  # fmt: skip
    assert [trial.number for trial in there(exported).trials] == list(range(8))


def test_values_and_directions_are_macs_and_accuracy(exported: str) -> None:
    study, found = there(exported), trials(exported)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.metric_names == ["MACs", "validation accuracy"]
    assert found[2].values == found[5].values == [5e6, 0.895]
    assert found[4].values is None


def test_the_front_of_optuna_leaves_out_what_misses_the_bound(exported: str) -> None:
    found = trials(exported)
    assert {trial.user_attrs["trial"] for trial in there(exported).best_trials} == {1, 2, 5}
    assert found[1].constraints["0"] == pytest.approx(-0.01)
    assert found[3].constraints == {"0": 0.09}


def test_parameters_have_the_distributions_of_the_question(exported: str) -> None:
    trial = trials(exported)[2]
    assert trial.params == POINT
    assert trial.distributions == {
        "width": FloatDistribution(0.25, 1.0, step=0.25),
        "rate": FloatDistribution(0.001, 0.1, log=True),
        "blocks": IntDistribution(1, 9),
        "pooling": CategoricalDistribution(("max", "average")),
    }


def test_a_value_outside_the_space_stays_in_the_point_alone(tmp_path: Path, url: str) -> None:
    with Store(db := tmp_path / "results.db") as store:
        train(store, open_study(store, space=SPACE), 1, 10, 0.9, point={**POINT, "width": 1.5})
    optuna_mirror.export(db, "demo", url)
    assert set(trials(url)[1].params) == {"rate", "blocks", "pooling"}
    assert trials(url)[1].user_attrs["point"]["width"] == 1.5


def test_choices_that_are_equal_in_python_are_told_apart(tmp_path: Path, url: str) -> None:
    space = [{"kind": "choice", "name": "fades", "values": [True, 1, 1.0, "no"], "ordered": False}]
    with Store(db := tmp_path / "results.db") as store:
        study = open_study(store, space=space)
        for number, value in enumerate([True, 1, 1.0, "no"], 1):
            train(store, study, number, 10, 0.9, point={"fades": value})
    optuna_mirror.export(db, "demo", url)
    assert [trial.params["fades"] for trial in there(url).trials] == ["True", "1", "1.0", "'no'"]


def test_a_grid_that_decimals_cannot_hold_keeps_its_last_value(tmp_path: Path, url: str) -> None:
    space = [{**WIDTHS, "low": 0.1, "granularity": 0.9 / 7}]
    with Store(db := tmp_path / "results.db") as store:
        train(store, open_study(store, space=space), 1, 10, 0.9, point={"width": 1.0})
    optuna_mirror.export(db, "demo", url)
    assert trials(url)[1].params == {"width": 1.0}


def test_curves_are_intermediate_values_by_thousandths(exported: str) -> None:
    assert trials(exported)[7].intermediate_values == {200: 0.3, 400: 0.5}
    assert trials(exported)[2].intermediate_values == {500: 0.4475, 1000: 0.895}


def test_facts_and_times_are_carried_over(exported: str) -> None:
    trial, study = trials(exported)[6], there(exported)
    assert trial.user_attrs["reason"] == "timeout"
    assert trial.user_attrs["parameters"] == 200_000
    started = datetime.fromisoformat(trial.user_attrs["started_at"])
    assert trial.datetime_start is not None
    assert trial.datetime_start.astimezone() == started
    assert study.user_attrs["min_accuracy"] == 0.89
    assert study.user_attrs["question"]["space"] == SPACE


def test_the_next_export_adds_what_is_new_and_ends_what_ran(
    searched: tuple[str, Store, Study], url: str
) -> None:
    db, store, study = searched
    answer(store, study, 9, "duplicate", macs=6_000_000, of_trial_number=8)
    optuna_mirror.export(db, "demo", url)
    before = there(url).trials
    assert trials(url)[9].state == TrialState.RUNNING, "its original runs"
    assert there(url).user_attrs["confirmed"] == []
    again = optuna_mirror.export(db, "demo", url)
    assert (again.added, again.ended) == (0, 0)
    assert there(url).trials == before
    train(store, study, 10, 1_000_000, 0.7)
    rows = {trial.number: trial for trial in store.trials(study.id)}
    store.finish_trial(rows[8].id, "completed", curve((1.0, 0.92)), val_accuracy=0.92, constraints=[-0.03])
    store.judge_trial(rows[2].id, "confirmed", {"trainings": 3}, probability=0.97)
    brought = optuna_mirror.export(db, "demo", url)
    assert (brought.added, brought.ended) == (1, 2)
    assert there(url).trials[:7] == before[:7]
    assert there(url).user_attrs["confirmed"] == [2], "a verdict after the export"
    ended = trials(url)
    for number in (8, 9):
        assert ended[number].values == [6e6, 0.92]
        assert ended[number].constraints["0"] == pytest.approx(-0.03)
    assert ended[8].user_attrs["state"] == "completed"
    assert ended[8].intermediate_values == {1000: 0.92}


def test_an_hpo_study_has_its_accuracy_alone(tmp_path: Path, url: str) -> None:
    with Store(db := tmp_path / "results.db") as store:
        study = open_study(store, kind="hpo", space=SPACE)
        train(store, study, 1, 10, 0.8)
        train(store, study, 2, 10, 0.9)
    optuna_mirror.export(db, "demo", url)
    assert there(url).best_trial.user_attrs["trial"] == 2
    assert there(url).best_value == 0.9
    assert there(url).metric_names == ["validation accuracy"]


@pytest.mark.parametrize("plot", ["pareto_front", "intermediate_values", "timeline", "slice", "contour"])
def test_the_plots_of_optuna_show_the_study(exported: str, plot: str) -> None:
    pytest.importorskip("plotly")
    of_accuracy = {"target": lambda trial: trial.values[1], "target_name": "accuracy"}
    draw = getattr(optuna.visualization, f"plot_{plot}")
    assert draw(there(exported), **(of_accuracy if plot in ("slice", "contour") else {})).data


def test_an_empty_study_is_one_without_trials(tmp_path: Path, url: str) -> None:
    with Store(db := tmp_path / "results.db") as store:
        open_study(store, space=SPACE)
    assert optuna_mirror.export(db, "demo", url).total == 0
    assert there(url).trials == []


def test_a_mirror_follows_until_the_study_ends(searched: tuple[str, Store, Study], url: str) -> None:
    db, store, study = searched
    looks: list[MirrorResult] = []
    following = threading.Thread(target=optuna_mirror.mirror, args=(db, "demo", url, 0.01, looks.append))
    following.start()
    wait_for(lambda: bool(looks))
    train(store, study, 9, 1_000_000, 0.7)
    wait_for(lambda: sum(look.added for look in looks) == 9)
    store.end_study(study.id, "finished", "the budget is spent")
    following.join(timeout=60)
    assert not following.is_alive()
    assert sum(look.added for look in looks) == 9
    assert trials(url)[9].state == TrialState.COMPLETE
    assert there(url).user_attrs["state"] == "finished"


def notes(url: str) -> dict[str, str]:
    """The notes of optuna-dashboard: the study's by "", a trial's by its number in the search."""
    study = there(url)
    told = study._storage.get_study_system_attrs(study._study_id)
    ids = {"": "", **{str(trial.user_attrs["trial"]): f"{trial._trial_id}:" for trial in study.trials}}
    pieces = {name: f"dashboard:{whose}note_str:" for name, whose in ids.items()}
    found = {
        name: "".join(v for k, v in sorted(told.items()) if k.startswith(p)) for name, p in pieces.items()
    }
    assert all(told[f"dashboard:{ids[name]}note_ver"] >= 1 for name, text in found.items() if text)
    return {name: text for name, text in found.items() if text}


def test_notes_name_the_true_best_and_what_was_rejected(searched: tuple[str, Store, Study], url: str) -> None:
    db, store, study = searched
    optuna_mirror.export(db, "demo", url)
    assert list(notes(url)) == [""]
    ids = {trial.number: trial.id for trial in store.trials(study.id)}
    store.judge_trial(ids[3], "rejected", {}, probability=0.12)
    store.judge_trial(ids[2], "confirmed", {}, probability=0.99)
    store.end_study(study.id, "finished", "x" * 3000)
    optuna_mirror.export(db, "demo", url)
    told = notes(url)
    assert told["3"] == "**rejected** by the search's repeats: 12.0% likely to be as good as it must be."
    assert told["2"].startswith("**confirmed**")
    assert "Rejected after repeats: 3 (here 2)." in told[""]
    assert "x" * 3000 in told[""]
    assert "The search's own best is trial 2 (here 1) (confirmed): 5.00 M MACs, accuracy 89.50%." in told[""]
    before = there(url)._storage.get_study_system_attrs(there(url)._study_id)
    optuna_mirror.export(db, "demo", url)
    assert there(url)._storage.get_study_system_attrs(there(url)._study_id) == before


def test_notes_of_a_search_for_accuracy_have_its_model_s_status_and_the_mean_of_repeats(
    tmp_path: Path, url: str
) -> None:
    with Store(db := tmp_path / "results.db") as store:
        study = open_study(store, kind="hpo", aim={"minimise": "loss"}, space=SPACE)
        for number, loss in enumerate((3.2, 3.5, 3.7), start=1):
            repeat = {"purpose": "confirmation", "of_trial_number": 1, "replicate": number - 1}
            columns = repeat if number > 1 else {"purpose": "search"}
            trial = store.start_trial(study.id, number, config=None, point={"width": 1.0}, **columns)
            store.finish_trial(trial.id, "completed", [], score=loss)
        store.save_model(
            name="tuned", network="x", depth=1.0, width=1.0, resolution=1.0, dataset="script", recipe="mine",
            macs=0, parameters=0, val_accuracy=3.6, trainings=2, status="confirmed", study_id=study.id,
            trial_id=store.trials(study.id)[0].id,
        )  # fmt: skip
    optuna_mirror.export(db, "demo", url)
    assert "own best is trial 1 (here 0) (confirmed): loss 3.6." in notes(url)[""]


def test_a_network_rejected_after_its_copy_becomes_infeasible_there(
    searched: tuple[str, Store, Study], url: str
) -> None:
    db, store, study = searched
    train(store, study, 9, 5_000_000, 0.91, purpose="confirmation", replicate=1, of_trial_number=2)
    optuna_mirror.export(db, "demo", url)
    assert {trial.user_attrs["trial"] for trial in there(url).best_trials} == {9}
    ids = {trial.number: trial.id for trial in store.trials(study.id)}
    store.judge_trial(ids[2], "rejected", {}, probability=0.2)
    assert optuna_mirror.export(db, "demo", url).added == 9
    found = trials(url)
    assert {trial.user_attrs["trial"] for trial in there(url).best_trials} == {1}
    for number in (2, 5, 9):  # the candidate, its duplicate and its repeat
        assert found[number].constraints == {"0": 0.8}
    assert found[3].constraints == {"0": 0.09}, "it missed the bound itself"
    again = optuna_mirror.export(db, "demo", url)
    assert (again.added, again.ended) == (0, 0)
    store.judge_trial(ids[2], "confirmed", {}, probability=0.99)
    assert optuna_mirror.export(db, "demo", url).added == 9
    assert trials(url)[2].constraints["0"] == pytest.approx(-0.005)


def test_a_copy_that_has_trials_of_the_user_s_own_is_never_deleted(
    searched: tuple[str, Store, Study], url: str
) -> None:
    db, store, study = searched
    optuna_mirror.export(db, "demo", url)
    there(url).enqueue_trial({"width": 0.75})
    store.judge_trial(store.trials(study.id)[1].id, "rejected", {}, probability=0.2)
    assert optuna_mirror.export(db, "demo", url).added == 0
    assert len(there(url).trials) == 9


def wait_for(done: Any) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_the_mirror_on_the_command_line_ends_quietly_by_an_interrupt(
    searched: tuple[str, Store, Study], url: str
) -> None:
    program = [sys.executable, "-W", "error", "-c", "from results.cli.commands import main; main()"]
    command = [*program, "mirror", "demo", "--optuna", url, "--db", searched[0]]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as mirror:
        assert mirror.stdout
        assert mirror.stdout.readline() == "demo: 8 trials added, 0 ended, of 8; running\n"
        mirror.send_signal(signal.SIGINT)
        _, said = mirror.communicate(timeout=20)
    assert (mirror.returncode, said) == (0, "")


def test_the_record_itself_and_any_other_are_no_storage(
    searched: tuple[str, Store, Study], tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailable, match="is the results database itself"):
        optuna_mirror.export(searched[0], "demo", searched[0])
    with Store(tmp_path / "another.db"):
        pass
    with pytest.raises(StoreUnavailable, match="is a results database"):
        optuna_mirror.export(searched[0], "demo", str(tmp_path / "another.db"))


def test_a_study_that_a_kill_left_empty_and_unmarked_is_filled(
    searched: tuple[str, Store, Study], url: str
) -> None:
    optuna.create_study(study_name="demo", storage=open_storage(url), directions=["minimize", "maximize"])
    assert optuna_mirror.export(searched[0], "demo", url).added > 0
    assert optuna_mirror.export(searched[0], "demo", url).added == 0
    study = optuna.load_study(study_name="demo", storage=open_storage(url))
    assert study.metric_names == ["MACs", "validation accuracy"]


def test_another_study_of_the_same_name_is_left_alone(searched: tuple[str, Store, Study], url: str) -> None:
    optuna.create_study(study_name="demo", storage=open_storage(url))
    with pytest.raises(NotOnRecord, match="has another study 'demo'"):
        optuna_mirror.export(searched[0], "demo", url)
    assert there(url).trials == []


def test_what_cannot_be_written_is_refused_in_words(
    searched: tuple[str, Store, Study], tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("no database, but a text that is longer than a header of one\n" * 20)
    for url, said in (("nowhere/o.db", "there is no folder"), ("text.db", "not a database")):
        with pytest.raises(StoreError, match=said):
            optuna_mirror.export(searched[0], "demo", str(tmp_path / url))


def test_a_storage_of_another_version_is_refused_and_left_closed(
    searched: tuple[str, Store, Study], url: str
) -> None:
    optuna.create_study(study_name="another", storage=open_storage(url))
    with closing(sqlite3.connect(url)) as older, older:
        older.execute("UPDATE alembic_version SET version_num = 'v2.4.0.a'")
    with pytest.raises(StoreUnavailable, match="as an Optuna storage"):
        optuna_mirror.export(searched[0], "demo", url)
    assert url not in [os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]


def test_a_study_without_a_space_is_refused(tmp_path: Path, url: str) -> None:
    with Store(db := tmp_path / "results.db") as store:
        open_study(store, kind="evaluation", space=[])
    with pytest.raises(NotOnRecord, match="has no search space"):
        optuna_mirror.export(db, "demo", url)


def test_export_takes_a_file_or_a_storage_and_not_both(searched: tuple[str, Store, Study], url: str) -> None:
    given = ["export", "demo", "--db", searched[0]]
    for wrong in ([], ["--to", "x.csv", "--optuna", url]):
        refused = CliRunner().invoke(main, [*given, *wrong])
        assert refused.exit_code == 2
        assert "give a file" in refused.stderr
    done = CliRunner().invoke(main, [*given, "--optuna", url, "--json"])
    assert done.exit_code == 0, done.stderr
    assert '"added": 8' in done.stdout


def test_other_sizes_and_limits_of_a_study_are_its_objective_and_constraints(
    tmp_path: Path, url: str
) -> None:
    aim = {"minimise": "params", "maximise": "accuracy", "limits": {"macs": 10.0}}
    with Store(db := tmp_path / "results.db") as store:
        train(store, open_study(store, space=SPACE, aim=aim), 1, 20, 0.9)
    optuna_mirror.export(db, "demo", url)
    assert there(url).metric_names == ["parameters", "validation accuracy"]
    assert trials(url)[1].values == [1, 0.9]
    assert trials(url)[1].constraints == {"0": 1.0}
