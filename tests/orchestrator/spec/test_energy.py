"""Searches by the energy of a training, which is known only after it: as a goal and as a limit."""

import io
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

from orchestrator.executors import HERE, ClusterOptions, Executor, ExecutorError, Exit, Job
from orchestrator.service.queries import RecordQueries
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.objective import Objective
from orchestrator.spec.trial_config import Choices
from orchestrator.study import plan
from orchestrator.trainer_client import Stopped
from results import optuna_mirror, queries, report, study_record, tables
from results.db.store import Store
from results.db.tables import Trial
from results.format import plain_rows
from search_spaces import Integer, Space
from tests import inline
from tests.optuna_storage import open_storage
from tests.orchestrator._studies import record, run, settled, trials
from tests.orchestrator.search.test_loop import stopping_at

GOAL: dict[str, Any] = {"minimise": "energy", "data": "fake:noise=0", "tolerance": 0.03, "trials": 16}
GOAL |= {"device": "cuda"}
LIMIT: dict[str, Any] = {"maximise": "accuracy", "max_energy_joules": 60.0, "data": "fake:noise=0"}
LIMIT |= {"trials": 12, "device": "cuda"}


class Metered(inline.Inline):
    """A worker with a GPU that uses more energy the larger a network is; None: it has no counter."""

    device = "cuda"
    per_width: float | None = 100.0

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        end = super().run(job, stop, started)
        config = json.loads((job.folder / "trial.json").read_text())
        scale, batch = config["scale"], config["hyperparameters"].get("batch_size", 128)
        used = self.per_width and self.per_width * scale["width"] * scale["depth"] * 128 / batch
        return replace(end, energy_joules=used)


@pytest.fixture(autouse=True)
def _metered(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(
        device: str = "auto",
        slots: int | None = None,
        trainer: Sequence[str] = (),
        place: ClusterOptions = HERE,
    ) -> Executor:
        return Metered()

    monkeypatch.setattr(inline, "create", create)


def best_of(folder: Path) -> dict[str, Any]:
    [best] = plain_rows(queries.best(folder / "results.db"))
    return best


def test_the_least_energy_is_sought_of_what_reaches_the_required_accuracy(tmp_path: Path) -> None:
    printed = run(tmp_path, **GOAL)
    base, *rows = trials(tmp_path)
    searched = [row for row in rows if row.purpose == "search" and row.state == "completed"]
    assert {row.state for row in rows} <= {"completed", "duplicate"}, (
        "nothing is skipped by what is not known"
    )
    assert all(row.objective == row.energy_joules for row in searched)
    passed = [row for row in searched if (row.constraints or [1])[0] <= 0]
    least = min(row.energy_joules or 0 for row in passed)
    assert least < (base.energy_joules or 0)
    assert best_of(tmp_path)["energy_joules"] == least
    with Store(tmp_path / "results.db", read_only=True) as store:
        [model] = store.models()
    assert model.trial_id == next(row.id for row in passed if row.energy_joules == least)
    assert "goal: lowest energy" in printed
    assert f"{base.energy_joules:.1f}" in printed.partition("finished: ")[2], "the comparison shows it"


def test_a_network_that_needs_more_energy_than_the_base_is_no_answer(tmp_path: Path) -> None:
    run(tmp_path, **{**GOAL, "depth": "1:1.5", "width": "1:1.25", "resolution": "1", "trials": 8})
    base, *rows = trials(tmp_path)
    assert any((row.constraints or [1])[0] <= 0 for row in rows if row.purpose == "search")
    assert all((row.energy_joules or 1e9) >= (base.energy_joules or 0) for row in rows)
    assert queries.best(tmp_path / "results.db").empty
    with Store(tmp_path / "results.db", read_only=True) as store:
        assert store.models() == []


def test_a_limit_of_energy_is_a_constraint_of_what_was_trained(tmp_path: Path) -> None:
    printed = run(tmp_path, **LIMIT)
    rows = [row for row in trials(tmp_path) if row.purpose == "search"]
    over = [row for row in rows if (row.energy_joules or 0) > 60]
    assert over
    assert {row.state for row in over} == {"completed"}, "it was not known before"
    for row in rows:
        if row.state == "completed":
            [excess] = row.constraints or []
            assert excess == pytest.approx((row.energy_joules or 0) / 60 - 1)
    best = best_of(tmp_path)
    assert best["energy_joules"] <= 60 < max(row.energy_joules or 0 for row in rows)
    assert "highest accuracy, at most 60.0 J" in printed
    frame = queries.trials(tmp_path / "results.db", "s")
    study = plain_rows(queries.studies(tmp_path / "results.db", "s"))[0]
    shown = tables.trials_table(frame, study)
    told = dict(zip(shown.columns[0].cells, shown.columns[1].cells, strict=True))
    assert {told[str(row.number)] for row in over} == {"too large"}
    assert "J" in [column.header for column in shown.columns]


def test_the_front_of_energy_and_accuracy_has_only_networks_within_the_limit(tmp_path: Path) -> None:
    run(tmp_path, minimise="energy", maximise="accuracy", max_energy_joules=80.0, trials=16, device="cuda")
    front = queries.front(tmp_path / "results.db", "s")
    assert len(front)
    assert front["energy_joules"].is_monotonic_increasing
    assert front["energy_joules"].max() <= 80 < max(row.energy_joules or 0 for row in trials(tmp_path))
    engine = create_engine(f"sqlite:///{tmp_path / 'results.db'}")
    with engine.connect() as connection:
        viewed = connection.execute(text("SELECT MAX(energy_joules) FROM front")).scalar_one()
    engine.dispose()
    assert viewed <= 80


@pytest.mark.slow
@pytest.mark.parametrize("given", [GOAL, LIMIT], ids=["goal", "limit"])
def test_a_search_by_energy_resumes_to_the_same_record(tmp_path: Path, given: dict[str, Any]) -> None:
    asked = {**given, "trials": 10, "block": 2, "solver": "nomad", "confirm": 2}
    run(tmp_path / "calm", **asked)
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", stopping_at(tmp_path / "stopped" / "s", 5), **asked)
    run(tmp_path / "stopped", **asked)
    assert record(tmp_path / "stopped") == record(tmp_path / "calm")


def test_how_a_network_is_trained_decides_on_its_energy_too(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", **{**GOAL, "tolerance": 0.2})
    base, *rows = trials(tmp_path)
    assert len({row.energy_joules for row in rows if row.state == "completed"}) > 1
    assert best_of(tmp_path)["energy_joules"] < (base.energy_joules or 0)


def test_a_plan_says_that_energy_skips_nothing(tmp_path: Path) -> None:
    asked = {**GOAL, "plan": True, "max_macs": "500M"}
    printed = io.StringIO()
    with inline.offered():
        plan.show_plan(settled(tmp_path, **asked), Console(file=printed, width=200))
    said = printed.getvalue()
    assert "energy is known only after a training, so no candidate is skipped for it" in said
    assert "skipped before training (more than 500000000 MACs)" in said
    assert "not smaller than the base" not in said


def test_energy_that_no_device_measures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metered, "device", "cpu")
    with pytest.raises(BadOption, match="energy is measured only on --device cuda, and trainings run on cpu"):
        run(tmp_path, **GOAL)


def test_a_gpu_without_a_counter_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metered, "per_width", None)
    with pytest.raises(ExecutorError, match="omit --minimise energy and --max-energy-joules"):
        run(tmp_path, **GOAL)
    assert {row.purpose for row in trials(tmp_path)} == {"baseline"}, "it is found before the search"


def test_a_study_that_asks_no_energy_has_the_question_that_it_had(tmp_path: Path) -> None:
    run(tmp_path, trials=3, data="fake:noise=0")
    with Store(tmp_path / "results.db", read_only=True) as store:
        study = store.study("s")
    assert study is not None
    assert "energy" not in json.dumps(study.question)


def test_a_training_whose_energy_is_not_known_is_no_answer() -> None:
    space = Space((Integer("n", 1, 9),))
    asked = Formulation(
        space, space.point({"n": 1}), lambda point: Choices({}), Objective("energy"), min_accuracy=0.5
    )
    trained = {"state": "completed", "purpose": "search", "val_accuracy": 0.9}
    assert asked.evaluation(Trial(**trained), 0.9).failed
    assert not asked.passed(Trial(**trained))
    assert asked.passed(Trial(**trained, energy_joules=5.0))


def test_the_energy_of_a_training_that_was_stopped_early_is_that_of_its_whole_budget() -> None:
    space = Space((Integer("n", 1, 9),))
    asked = Formulation(
        space, space.point({"n": 1}), lambda point: Choices({}), Objective("energy"), min_accuracy=0.5
    )
    stopped = Trial(state="pruned", energy_joules=30.0, stop_progress=0.3)
    assert asked.evaluation(stopped, 0.2).objective == pytest.approx(100.0)


def test_what_is_skipped_beside_an_unknown_energy_is_told_as_the_best_that_is_known() -> None:
    space = Space((Integer("n", 1, 9),))
    aim = Objective("energy", None, {"macs": 50.0, "energy": 9.0})
    asked = Formulation(space, space.point({"n": 1}), lambda point: Choices({}), aim, min_accuracy=0.5)
    skipped = asked.screened(Trial(macs=100), Trial(number=3, macs=40, energy_joules=7.0))
    assert skipped is not None
    assert (skipped.answer.objective, skipped.answer.constraints) == (7.0, (0.0, 1.0, 0.0))


def test_what_is_shown_of_energy_has_its_unit(tmp_path: Path) -> None:
    run(tmp_path, **GOAL)
    study = study_record.read_study(tmp_path / "results.db", "s")
    written, figures = report.page(study)
    assert "with the lowest energy that reaches the required accuracy" in written
    assert "energy (J)" in [axis.title.text for axis in figures["front"].select_xaxes()]
    optuna_mirror.export(tmp_path / "results.db", "s", f"sqlite:///{tmp_path / 'optuna.db'}")
    mirrored = optuna.load_study(study_name="s", storage=open_storage(tmp_path / "optuna.db"))
    assert mirrored.trials[0].user_attrs["energy_joules"] == trials(tmp_path)[0].energy_joules
    assert mirrored.metric_names == ["energy (J)", "validation accuracy"]
    with closing(RecordQueries(str(tmp_path / "results.db"))) as record_queries:
        told = record_queries.study("s") or {}
    assert told["metric"] == {"column": "energy_joules", "unit": "J of energy", "scale": 1.0, "digits": 1}
    assert told["best"]["energy_joules"] == best_of(tmp_path)["energy_joules"]
    slack = queries.slack(tmp_path / "results.db", "s")
    assert slack["energy_joules"].notna().any()
