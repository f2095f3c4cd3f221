"""Searches for other than the usual: each aim, its limits, its bound, and its resume."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.objective import Objective, parse_count
from orchestrator.spec.trial_config import Choices
from orchestrator.trainer_client import Stopped
from results import queries
from results.db.store import Store
from results.db.tables import Model, Study, Trial
from results.errors import QuestionChanged
from results.metrics import METRICS, Metric
from search_spaces import Integer, Space
from tests.orchestrator._studies import record, run, settled, trials
from tests.orchestrator.search.test_loop import stopping_at

BUDGET: dict[str, Any] = {"kind": "hpo", "subject": "resnet_budget", "space": "resnet_budget"}
CALM = "fake:noise=0"


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("5000000", 5_000_000),
        ("5e6", 5_000_000),
        ("5M", 5_000_000),
        ("1.2g", 1_200_000_000),
        ("2.5e+3k", 2_500_000),
    ],
)
def test_a_number_of_macs_is_read_as_people_write_it(written: str, count: int) -> None:
    assert parse_count(written) == count


@pytest.mark.parametrize("written", ["", "five", "5 million", "-1", "1e-3", "5MM", "nan"])
def test_what_is_no_number_of_macs_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        parse_count(written)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"minimise": "flops"}, "--minimise flops is unknown; give one of macs, params, latency"),
        ({"maximise": "speed"}, "--maximise speed is unknown; give accuracy"),
        ({"max_macs": "lots"}, "--max-macs: cannot read 'lots' as a number; write it like"),
        ({"max_macs": "0"}, "--max-macs 0 excludes every network; give at least 1"),
        ({"max_latency_ms": 0.0}, "--max-latency-ms 0.0 excludes every network; give more than 0"),
        ({"maximise": "accuracy", "min_accuracy": 0.8}, "omit it, or add --minimise macs"),
        ({"maximise": "accuracy", "tolerance": 0.1}, "--tolerance 0.1 has no effect with the goal"),
        (
            {"maximise": "accuracy", "replicates": 2},
            "--replicates 2 has no effect with the goal .highest accuracy",
        ),
        ({"minimise": "macs", "maximise": "accuracy", "replicates": 2}, "--replicates 2 has no effect"),
        ({"kind": "hpo", "minimise": "macs"}, "--space training does not change the network"),
    ],
)
def test_an_aim_that_cannot_be_is_refused(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        run(tmp_path, **given)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_is_a_column_and_may_be_minimised_and_limited(metric: Metric) -> None:
    assert metric.column in Trial.__table__.columns
    given: dict[str, Any] = {"minimise": metric.name, metric.field: 5}
    asked = settled(Path("runs"), **given).aim
    assert asked == Objective(minimise=metric.name, limits={metric.name: 5})
    assert metric.text(metric.scale) == f"{1:.{metric.digits}f} {metric.unit}"


@pytest.mark.usefixtures("heedless")
def test_the_fewest_parameters_are_sought_and_screened_against(tmp_path: Path) -> None:
    printed = run(tmp_path, minimise="params", trials=20, data=CALM)
    base, *rows = trials(tmp_path)
    screened = [row for row in rows if row.state == "screened"]
    assert screened
    assert all((row.parameters or 0) >= (base.parameters or 0) for row in screened)
    trained = [row for row in rows if row.state == "completed" and row.purpose == "search"]
    assert all(row.objective == row.parameters for row in trained)
    passed = [row for row in trained if (row.constraints or [1])[0] <= 0]
    model = saved(tmp_path)
    assert model.parameters == min(row.parameters or 0 for row in passed)
    assert "not smaller than the base: " in printed
    [best] = queries.best(tmp_path / "results.db").to_dict("records")
    assert best["parameters"] == model.parameters


def test_a_limit_is_a_constraint_beside_the_bound(tmp_path: Path) -> None:
    run(tmp_path, min_accuracy=0.5, tolerance=0.0, max_params="3M", trials=12, data=CALM)
    rows = trials(tmp_path)
    over = [row for row in rows if (row.parameters or 0) > 3_000_000]
    assert over
    for row in over:
        assert (row.state, row.objective) == ("screened", row.macs)
        assert row.constraints == [0.0, (row.parameters or 0) / 3_000_000 - 1]
    trained = [row for row in rows if row.state == "completed"]
    assert trained
    assert all(len(row.constraints or []) == 2 and (row.constraints or [])[1] <= 0 for row in trained)


@pytest.mark.usefixtures("heedless")
def test_a_base_over_a_limit_screens_nothing_by_its_size(tmp_path: Path) -> None:
    run(tmp_path, minimise="macs", max_params="3M", trials=20, data=CALM)
    base, *rows = trials(tmp_path)
    assert (base.parameters or 0) > 3_000_000
    assert {row.message for row in rows if row.state == "screened"} == {
        f"too large: {(row.parameters or 0) / 1e6:.3f} M parameters"
        for row in rows
        if row.state == "screened"
    }


def test_confirming_a_network_leaves_its_limits_constraint_as_it_was(tmp_path: Path) -> None:
    run(tmp_path, trials=16, confirm=4, tolerance=0.03, data=CALM, max_params="8M")
    judged = [row for row in trials(tmp_path) if row.verdict]
    assert judged
    for row in judged:
        assert (row.constraints or [])[1:] == [(row.parameters or 0) / 8_000_000 - 1]


def test_the_most_accurate_network_under_a_limit_needs_no_baseline(tmp_path: Path) -> None:
    printed = run(tmp_path, maximise="accuracy", max_macs="500M", trials=8, data=CALM)
    rows = trials(tmp_path)
    assert {row.purpose for row in rows} == {"search", "confirmation"}
    trained = [row for row in rows if row.state == "completed"]
    assert len(trained) == 8
    assert all((row.macs or 0) <= 500_000_000 for row in trained)
    best = max((row for row in trained if row.purpose == "search"), key=lambda row: row.val_accuracy or 0)
    assert saved(tmp_path).trial_id == best.id
    assert "highest accuracy, at most 500.00 M MACs" in printed
    assert study(tmp_path).min_accuracy is None


def test_the_smallest_architecture_is_held_against_the_one_at_the_start(tmp_path: Path) -> None:
    run(tmp_path, **BUDGET, minimise="params", trials=14, confirm=2, tolerance=0.05, data=CALM)
    rows = trials(tmp_path)
    baseline = [row for row in rows if row.purpose == "baseline"]
    assert [row.replicate for row in baseline] == [0, 1]
    first = next(row for row in rows if row.purpose == "search")
    assert (first.state, first.of_trial_number, first.point) == ("duplicate", 1, baseline[0].point)
    assert study(tmp_path).min_accuracy == pytest.approx((study(tmp_path).baseline_accuracy or 0) - 0.05)
    assert {row.purpose for row in rows} == {"baseline", "search", "confirmation"}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"minimise": "params", "confirm": 3, "tolerance": 0.03}, marks=pytest.mark.slow),
        pytest.param({"maximise": "accuracy", "max_macs": "5e8", "max_params": "9M"}, marks=pytest.mark.slow),
        pytest.param(
            {**BUDGET, "minimise": "macs", "max_params": "3M", "tolerance": 0.05, "confirm": 3},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["params", "accuracy", "architecture"],
)
def test_a_search_for_any_aim_resumes_to_the_same_record(tmp_path: Path, given: dict[str, Any]) -> None:
    asked = {**given, "trials": 10, "data": "fake:crash=.1", "block": 2, "solver": "local"}
    run(tmp_path / "calm", **asked)
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", stopping_at(tmp_path / "stopped" / "s", 5), **asked)
    run(tmp_path / "stopped", **asked)
    assert record(tmp_path / "stopped") == record(tmp_path / "calm")


def test_what_is_usual_asks_the_question_that_older_studies_have_on_record(tmp_path: Path) -> None:
    run(tmp_path, trials=3, minimise="macs")
    run(tmp_path, trials=3)
    assert "aim" not in study(tmp_path).question
    run(tmp_path, **BUDGET, study="h", trials=1)
    run(tmp_path, **BUDGET, study="h", trials=1, max_params="5M")
    assert study(tmp_path, "h").question["most_parameters"] == 5_000_000
    assert "aim" not in study(tmp_path, "h").question


def test_another_aim_under_the_same_name_is_refused(tmp_path: Path) -> None:
    run(tmp_path, trials=3)
    with pytest.raises(QuestionChanged, match="aim: nothing recorded"):
        run(tmp_path, trials=3, minimise="params")
    with pytest.raises(QuestionChanged, match="aim: nothing recorded"):
        run(tmp_path, trials=3, max_macs="5M")


def test_the_search_under_five_million_parameters_is_one_command() -> None:
    request = settled(Path("runs"), **BUDGET, max_params="5000000")
    assert request.aim == Objective(maximise="accuracy", limits={"params": 5_000_000})


def test_what_a_solver_hears_has_the_bound_first_and_then_the_limits() -> None:
    space = Space((Integer("n", 1, 9),))
    aim = Objective("params", "accuracy", {"macs": 50.0})
    asked = Formulation(space, space.point({"n": 1}), lambda point: Choices({}), aim, min_accuracy=0.75)
    network = Trial(macs=100, parameters=10)
    heard = asked.evaluation(network, 0.5)
    assert (heard.objective, heard.others, heard.constraints) == (10.0, (0.5,), (0.25, 1.0))
    untrained = asked.screened(network, None)
    assert untrained is not None
    assert (untrained.answer.others, untrained.answer.constraints) == ((1.0,), (0.0, 1.0))
    problem = asked.problem(4, seed=0)
    assert (problem.objectives, problem.constraints) == (2, 2)


def saved(folder: Path) -> Model:
    with Store(folder / "results.db", read_only=True) as store:
        [model] = store.models()
    return model


def study(folder: Path, name: str = "s") -> Study:
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study(name)
    assert found is not None
    return found
