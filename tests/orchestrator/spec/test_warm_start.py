"""A search that begins from an earlier study's best points."""

import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.spec.warm_start import best_points, nearest
from orchestrator.trainer_client import Stopped
from results.db.store import Store
from results.db.tables import Trial
from results.errors import QuestionChanged
from search_spaces import Choice, Integer, Real, Space
from tests.orchestrator._studies import command, evaluate, record, run, trials
from tests.orchestrator.search.test_loop import stopping_at
from tests.orchestrator.study.test_plan import planned
from tests.orchestrator.test_killed import ARGUMENTS, exits_unseen, harry
from tests.thinned import rest_slow

EXACT: dict[str, Any] = {"data": "fake:noise=0", "tolerance": 0.03}
WARM: dict[str, Any] = EXACT | {"study": "w", "warm_start": "s", "seed": 7}


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("early")
    run(folder, trials=16, **EXACT)
    return folder


@pytest.fixture
def earlier(early: Path, tmp_path: Path) -> Path:
    """A folder of the test's own whose record holds a study `s`."""
    return shutil.copytree(early, tmp_path / "earlier")


@pytest.fixture(scope="module")
def warmed(early: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study `w` that began from `s`, for what is refused and so leaves it as it is."""
    folder = shutil.copytree(early, tmp_path_factory.mktemp("warmed") / "runs")
    run(folder, trials=3, **WARM)
    return folder


def winner(folder: Path, study: str) -> Trial:
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study(study)
        [model] = [m for m in store.models() if found and m.study_id == found.id]
        return next(row for row in store.trials(model.study_id) if row.id == model.trial_id)


def test_a_warm_started_search_has_the_old_winner_at_once(earlier: Path) -> None:
    printed = run(earlier, trials=5, **WARM)
    assert "best candidates of the study s\n" in printed
    asked = [row for row in trials(earlier, "w") if row.purpose == "search"]
    old = winner(earlier, "s")
    assert asked[1].point == old.point
    assert (winner(earlier, "w").macs or 0) <= (old.macs or 0)
    assert len({row.network_key for row in asked[:4]}) == 4


@pytest.mark.parametrize("solver", rest_slow(["nomad", "tpe"], ["nomad"]))
def test_a_stopped_warm_start_resumes_to_the_record_of_one_that_was_not(earlier: Path, solver: str) -> None:
    given = WARM | {"solver": solver, "trials": 10, "block": 2}
    run(earlier, **given)
    calm = record(earlier, "w")
    with pytest.raises(Stopped):
        run(earlier, stopping_at(earlier / "v", 4), **given | {"study": "v"})
    run(earlier, **given | {"study": "v"})
    assert record(earlier, "v") == calm


@pytest.mark.slow
def test_a_warm_start_survives_kills_of_its_processes(tmp_path: Path) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    warm = (*ARGUMENTS, "--study", "w", "--warm-start", "s", "--trials", "14", "--seed", "3")
    for folder in (calm, harried):
        early = command(folder, *ARGUMENTS, "--trials", "8", "--solver", "random")
        subprocess.run(early, check=True, capture_output=True, timeout=100)
    subprocess.run(command(calm, *warm), check=True, capture_output=True, timeout=100)
    victims = ("orchestrator", "solver", "orchestrator")
    assert harry(command(harried, *warm), harried, victims, random.Random(0)) == len(victims)
    assert exits_unseen(record(harried, "w")) == exits_unseen(record(calm, "w"))


def test_a_resume_takes_the_points_on_record_though_the_earlier_study_went_on(earlier: Path) -> None:
    run(earlier, trials=5, **WARM)
    run(earlier, trials=40, **EXACT)
    before = best_points(trials(earlier))[0]
    run(earlier, trials=7, **WARM)
    with Store(earlier / "results.db", read_only=True) as store:
        study = store.study("w")
    assert study is not None
    hints = study.question["warm_start"]["hints"]
    assert before not in hints, "the earlier study has found better since"
    asked = [row.point for row in trials(earlier, "w") if row.purpose == "search"]
    assert asked[1 : 1 + len(hints)] == hints


def test_the_trainings_of_the_earlier_study_are_recorded_as_far_as_this_space_has_them(earlier: Path) -> None:
    run(earlier, trials=3, **WARM | {"width": ".5:1"})
    with Store(earlier / "results.db", read_only=True) as store:
        study = store.study("w")
    assert study is not None
    told = study.question["warm_start"]["trainings"]
    rows = [row for row in trials(earlier) if row.state == "completed" and (row.point or {})["width"] >= 0.5]
    assert 3 <= len(rows) < len(trials(earlier))
    assert [(one["point"], one["replicate"], one["score"]) for one in told] == [
        (row.point, row.replicate, row.val_accuracy) for row in rows if (row.point or {})["width"] <= 1
    ]


def test_a_warm_start_without_trainings_on_record_resumes_without_them(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("orchestrator.spec.study_spec.SOLVER_VERSION", 1)
        older.setattr("orchestrator.spec.warm_start._trainings", lambda *_: [])
        run(earlier, trials=4, **WARM)
    before = record(earlier, "w")
    with closing(sqlite3.connect(earlier / "results.db")) as connection, connection:
        connection.execute(
            "UPDATE studies SET question = json_remove(question, '$.solver.version') WHERE name = 'w'"
        )
    run(earlier, trials=7, **WARM)
    assert record(earlier, "w")[: len(before)] == before
    with Store(earlier / "results.db", read_only=True) as store:
        study = store.study("w")
    assert study is not None
    assert "trainings" not in study.question["warm_start"]


def test_another_warm_start_is_another_question(warmed: Path) -> None:
    with pytest.raises(QuestionChanged, match=r"warm start study: 's' recorded, 'other' now"):
        run(warmed, trials=3, **WARM | {"warm_start": "other"})
    with pytest.raises(QuestionChanged, match=r"warm start: .* recorded, nothing now"):
        run(warmed, trials=3, **WARM | {"warm_start": None})
    with pytest.raises(QuestionChanged, match="warm start: nothing recorded"):
        run(warmed, trials=16, **EXACT, warm_start="w")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"warm_start": "x"}, "no such study in .*; there are: s"),
        ({"study": "fresh", "warm_start": "fresh"}, "is this study's own name; give it another by --study"),
        ({"kind": "hpo", "tolerance": None}, "is a study of kind nas, this search is hpo"),
    ],
)
def test_a_study_that_gives_no_points_is_refused(earlier: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        run(earlier, trials=5, **WARM | given)


def test_a_study_of_other_variables_is_refused_with_them_named(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", trials=2)
    with pytest.raises(BadOption, match=r"has other variables: .*learning_rate \(real\)"):
        run(tmp_path, kind="hpo", trials=2, study="w", warm_start="s", space="recipe")


def test_a_study_where_nothing_kept_the_bound_is_refused(tmp_path: Path) -> None:
    run(tmp_path, trials=3, min_accuracy=0.99, tolerance=0.0)
    with pytest.raises(BadOption, match="no candidate there met the constraints"):
        run(tmp_path, trials=5, **WARM)


def test_other_data_are_allowed_and_told(earlier: Path) -> None:
    printed = run(earlier, trials=5, **WARM | {"subject": "resnet18", "budget": "20steps"})
    assert "subject: 'senet18' there, 'resnet18' now" in printed
    assert "training.budget.steps: 10 there, 20 now" in printed


def test_an_hpo_search_begins_from_the_most_accurate(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", trials=8)
    first = max(trials(tmp_path), key=lambda row: row.val_accuracy or 0)
    run(tmp_path, kind="hpo", trials=4, study="w", warm_start="s")
    assert first.point in [row.point for row in trials(tmp_path, "w")][:2], "it may be the start itself"


def test_a_plan_says_where_the_search_would_begin(earlier: Path) -> None:
    assert "best candidates of the study s\n" in planned(earlier, **WARM)


def test_the_best_points_are_no_rejected_nor_failed_ones_and_confirmed_ones_first() -> None:
    def row(number: int, objective: float | None, **columns: Any) -> Trial:
        usual = {"purpose": "search", "state": "completed", "constraints": [0.0], "network_key": str(number)}
        return Trial(number=number, objective=objective, point={"n": number}, **usual | columns)

    rows = [
        row(1, 5.0),
        row(2, 3.0, verdict="confirmed"),
        row(3, 1.0, verdict="rejected"),
        row(4, 1.0, constraints=[0.1]),
        row(5, 1.0, state="screened"),
        row(6, 1.0, purpose="baseline"),
        row(7, None, state="failed"),
        row(8, 2.0),
        row(9, 2.5, network_key="8"),
    ]
    assert [point["n"] for point in best_points(rows)] == [2, 8, 1]


def test_the_nearest_point_is_in_the_new_space() -> None:
    space = Space(
        (
            Real("rate", 1e-3, 0.1, log=True),
            Real("width", 0.25, 1.0, granularity=1 / 8),
            Integer("layers", 2, 9),
            Choice("batch", (64, 128, 512), ordered=True),
            Choice("kind", ("a", "b", True)),
        )
    )
    start = space.sample(random.Random(0))
    far = {"rate": 0.9, "width": 0.3, "layers": 40, "batch": 200, "kind": "z"}
    moved = nearest(far, space, start)
    assert dict(moved) == {"rate": 0.1, "width": 0.25, "layers": 9, "batch": 128, "kind": start["kind"]}
    assert nearest({**far, "kind": "b"}, space, start)["kind"] == "b"
    assert nearest(start, space, start) == start


def test_the_points_of_a_front_are_taken_from_all_along_it() -> None:
    found = []
    for n in range(1, 12):
        told = {"objective": float(n), "other_objectives": [0.99 if n == 4 else 1.0 - n / 20]}
        row = {
            "purpose": "search",
            "state": "completed",
            "number": n,
            "network_key": str(n),
            "point": {"n": n},
        }
        found.append(Trial(**row, **told))
    assert [point["n"] for point in best_points(found)] == [1, 3, 6, 9, 11]
    assert [point["n"] for point in best_points(found[:2])] == [1, 2]
    assert [point["n"] for point in best_points(found[:1])] == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "hpo", "warm_start": "s"},
        {"kind": "hpo"},
        {"warm_start": "s", "depth": "1"},
        {"warm_start": "t"},
        {},
    ],
    ids=["another kind, warm", "another kind", "another space", "another start", "cold"],
)
def test_a_warm_started_name_that_is_asked_otherwise_is_refused_as_any_other(
    warmed: Path, other: dict[str, Any]
) -> None:
    asked = {"study": "w", "trials": 8, "data": "fake:noise=0", **other}
    for ask in (run, planned):
        with pytest.raises(QuestionChanged, match="study 'w' is in the results database with other settings"):
            ask(warmed, **asked)


def test_the_name_of_a_warm_started_search_of_hyperparameters_is_not_free_for_one_of_networks(
    tmp_path: Path,
) -> None:
    run(tmp_path, kind="hpo", trials=3)
    run(tmp_path, kind="hpo", trials=3, study="w", warm_start="s")
    with pytest.raises(QuestionChanged, match="kind: 'hpo' recorded, 'nas' now"):
        run(tmp_path, study="w", warm_start="s")


def test_the_name_of_an_evaluation_is_not_free_for_a_search(tmp_path: Path) -> None:
    evaluate(tmp_path, study="e")
    with pytest.raises(QuestionChanged, match="kind: 'evaluation' recorded, 'nas' now"):
        run(tmp_path, study="e")
