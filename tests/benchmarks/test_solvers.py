"""The benchmark of solvers: its loop answers as a study does, its numbers are what they say."""

import importlib
import itertools
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from orchestrator.solvers import load
from orchestrator.spec.problem import Evaluate, Problem
from tests.benchmarks._running import ROOT, ran


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """The module of standings, whose imports bring the others; programs find them beside themselves."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("_standing")
    sys.path.remove(str(ROOT / "benchmarks"))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_table_has_the_published_optima(bench: ModuleType) -> None:
    problems = module("_problems")
    assert problems.load("macro-92").optimum == 49_848_832
    assert problems.load("macro-92.5").optimum == 57_147_904
    base = problems.load("macro-92")
    assert base.truth(base.start).objective == 105_660_928
    assert base.truth(base.start).feasible


def test_no_problem_starts_at_its_optimum(bench: ModuleType) -> None:
    problems = module("_problems")
    for name in problems.NAMES:
        benchmark = problems.load(name)
        answer = benchmark.truth(benchmark.start)
        assert len(answer.constraints) == benchmark.constraints
        assert answer.objective > benchmark.optimum


def test_the_budget_counts_trainings_and_neither_screened_points_nor_duplicates(bench: ModuleType) -> None:
    benchmark = module("_problems").load("macro-92")

    def search(problem: Problem, evaluate: Evaluate) -> None:
        smaller = problem.space.point({**problem.start, "layer7": 0})
        evaluate([problem.start, problem.start])
        [answer] = evaluate([smaller])
        evaluate([problem.start])
        assert not answer.screened
        load("random").search(problem, evaluate)

    run = module("_loop").play(benchmark, search, seed=1, budget=20, block=4, noise=False)
    assert (run.trainings, run.died) == (20, False)
    assert run.untrained >= 2
    assert run.best(20) < run.best(1) < run.best(0) == math.inf


def test_a_larger_point_is_screened_and_says_so(bench: ModuleType) -> None:
    benchmark = module("_problems").load("macro-92")

    def search(problem: Problem, evaluate: Evaluate) -> None:
        space = problem.space
        for kinds in ("21201200", "22222222"):
            values = {name: int(kind) for name, kind in zip(space.names, kinds, strict=True)}
            [answer] = evaluate([space.point(values)])
            assert answer.screened == (kinds == "22222222")

    run = module("_loop").play(benchmark, search, seed=1, budget=20, block=1, noise=False)
    assert (run.trainings, run.untrained, run.died, run.best(1)) == (1, 1, False, 1.0)


def test_a_solver_that_raises_is_a_run_that_died(bench: ModuleType) -> None:
    def search(problem: Problem, evaluate: Evaluate) -> None:
        raise RuntimeError("no")

    benchmark = module("_problems").load("macro-92")
    assert module("_loop").play(benchmark, search, 1, 20, 1, False).died


def test_two_solvers_that_take_turns_spend_one_budget_on_new_points(bench: ModuleType) -> None:
    benchmark = module("_problems").load("macro-92")
    portfolios = importlib.import_module("_portfolios")
    for partner in (portfolios.locals_points, portfolios.tpes_points):
        run = module("_loop").play(benchmark, portfolios.with_partner(partner), 1, 24, 2, False)
        assert (run.trainings, run.died) == (24, False)
        assert run.best(24) < run.best(1)


def test_a_noisy_training_of_the_table_is_one_of_three(bench: ModuleType) -> None:
    land = module("_landscapes").read_macro()
    drawn = {land.train(land.base, replicate, 300_000) for replicate in range(40)}
    assert len(drawn) == 3
    assert sum(drawn) / 3 == pytest.approx(land.truth[land.base], abs=1e-6)
    assert [land.optimum(least) for least in (0.92, 0.925)] == [49_848_832, 57_147_904]


def test_a_law_of_a_seed_is_always_the_same_and_replicates_share_noise(bench: ModuleType) -> None:
    landscapes = module("_landscapes")
    for make in (landscapes.make_law, landscapes.make_rippled_law):
        one, again, other = (make(seed, 0.5) for seed in (300_001, 300_001, 300_002))
        assert one.truth == again.truth != other.truth
        assert one.optimum(one.truth[one.base] - 0.005) < one.macs[one.base]
        few = list(one.truth)[:400]
        noise = np.array([[one.train(name, r, 7) - one.truth[name] for r in range(30)] for name in few])
        assert noise.std() == pytest.approx(landscapes.SD, rel=0.1)
        assert noise.mean(axis=0).std() == pytest.approx(landscapes.SD * 0.5**0.5, rel=0.35)


def test_a_search_names_after_twenty_trainings_what_a_search_of_twenty_names(bench: ModuleType) -> None:
    search, land = module("_search"), module("_landscapes").make_rippled_law(300_003, 0.0)
    of = {
        trials: search.search(
            land, {"solver": "local", "trials": trials, "tolerance": 0.03}, 300_003, search.Versions()
        )
        for trials in (20, 40)
    }
    assert of[20].named == [step for step in of[40].named if step[0] <= 20]
    assert of[20].named[0] == (3, land.base)
    assert land.macs[of[20].named[-1][1]] < land.macs[land.base]
    assert [len([row for row in found.rows if row.state == "completed"]) for found in of.values()] == [20, 40]
    assert of[20].winner.status == "confirmed"


def test_a_network_named_wrongly_is_worth_less_than_the_start(bench: ModuleType) -> None:
    run = module("_runs").Run(steps=[(0, 2.0, True), (9, 0.8, False), (14, 1.2, True)])
    assert [run.best(at) for at in (5, 10, 20)] == [2.0, 0.8, 1.2]
    assert [run.worth(at) for at in (5, 10, 20)] == [2.0, math.inf, 1.2]
    assert (run.reaches(1.5), run.reaches(1.1), run.is_feasible) == (14, math.inf, True)
    named = bench._named([run], 10)
    assert (named["median"], named["named"], named["true"]) == (0.8, 1, 0)
    assert bench._named([run], 5)["named"] == 0
    given_up = module("_runs").Run(steps=[(0, 2.0, True), (8, 1.0, True), (10, 2.0, True)])
    assert [given_up.found(at) for at in (5, 9, 12)] == [False, True, False]


def test_replicates_of_the_grid_are_one_order_for_all_networks(bench: ModuleType, tmp_path: Path) -> None:
    """Two networks and a base, in two replicates and in four, of which a third network was not trained."""
    table: dict[str, Any] = {
        "multipliers": np.array(list(itertools.product((0.5, 1.0), (0.5, 1.0), (1.0, 1.25)))),
        "macs": np.array([1, 3, 2, 9, 4, 12, 8, 16]),
        "accuracies": np.full((8, 4), np.nan),
    }
    effects = np.array([0.02, -0.02, 0.01, 0.0])
    table["accuracies"][6] = 0.8 + effects
    for row in (0, 1, 2, 4):
        table["accuracies"][row, :2] = 0.7 + row / 100 + effects[:2]
    np.savez(tmp_path / "grid.npz", **table)
    land = module("_landscapes").read_grid(tmp_path / "grid.npz")
    assert land.truth[land.base] == pytest.approx(0.8)
    assert land.optimum(0.705) == 2
    assert {module("_landscapes").name_point(point) for point in land.space} == land.macs.keys()
    for seed in range(6):
        base = [land.train(land.base, replicate, seed) for replicate in range(4)]
        assert sorted(base) == pytest.approx(sorted(0.8 + effects))
        other = [land.train("[0.5, 0.5, 1.0]", replicate, seed) for replicate in range(4)]
        assert np.subtract(base, other) == pytest.approx([0.1] * 4, abs=0.01)  # exact trainings, then drawn
        assert np.subtract(base, other)[:2] == pytest.approx([0.1] * 2)
    with pytest.raises(ValueError, match="more MACs than the base"):
        land.train("[1.0, 1.0, 1.25]", 0, 0)


def test_pairs_are_counted_on_common_seeds_alone(bench: ModuleType) -> None:
    run = module("_runs").Run
    ours = {seed: run(steps=[(1, 1.0, True)]) for seed in range(10)}
    theirs = {seed: run(steps=[(1, 1.5, True)]) for seed in range(5, 20)}
    theirs |= {4: run(), 3: run(steps=[(1, 1.0, True)])}
    assert bench.paired(ours, theirs, 50) == {"better": 6, "worse": 0, "p": pytest.approx(2 / 2**6)}


def test_a_report_is_tables_numbers_and_a_plot(
    bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = module("_problems").load("macro-92")
    cell = type(
        "Cell", (), {"problem": benchmark.name, "noise": False, "block": 1, "solver": "local", "seed": 1}
    )
    run = module("_loop").play(benchmark, load("local").search, 1, 60, 1, False)
    bench.report([(cell, run)], tmp_path / "plot.svg", tmp_path / "numbers.json")
    assert f"| local | 1 | {run.best(25):.3f} (" in capsys.readouterr().out
    [group] = json.loads((tmp_path / "numbers.json").read_text())
    assert group["solvers"][0]["best"]["50"]["median"] == run.best(50)
    assert (tmp_path / "plot.svg").read_text().count("<path d=") > 12


def test_searches_in_blocks_are_compared_with_nomad_one_at_a_time(bench: ModuleType) -> None:
    steps = {1: [(0, 2.0, True), (15, 1.2, True)], 4: [(0, 2.0, True), (35, 1.1, True)]}
    ones, fours = (
        {"nomad": {7: module("_runs").Run(steps=its, trainings=40, blocks=9, placed=9)}}
        for its in steps.values()
    )
    [row] = bench.standings(("laws", True, 4), fours, ones)["searches"]
    better = {at: (pair["better"], pair["worse"]) for at, pair in row["against_reference"].items()}
    assert (better["10"], better["20"], better["40"]) == ((0, 0), (1, 0), (0, 1))


@pytest.mark.slow
def test_a_benchmark_goes_on_where_it_was_and_reports(tmp_path: Path) -> None:
    runs, plot, numbers = tmp_path / "runs.jsonl", tmp_path / "plot.svg", tmp_path / "numbers.json"
    small = ("--runs", str(runs), "--problems", "macro-92", "--solvers", "random", "local")
    for seeds in ("1", "2"):
        code, printed = ran("solvers", *small, "--seeds", seeds)
        assert code == 0, printed
    assert len(runs.read_text().splitlines()) == 4
    code, printed = ran("solvers", "--runs", str(runs), "--report", str(plot), str(numbers))
    assert code == 0, printed
    assert "| local | 2 | 1." in printed
    [group] = json.loads(numbers.read_text())
    assert {row["solver"] for row in group["solvers"]} == {"random", "local"}
    assert plot.read_text().startswith("<svg")


@pytest.mark.slow
def test_whole_searches_are_reported_against_nomad_as_it_was(tmp_path: Path) -> None:
    runs, plot, numbers = tmp_path / "runs.jsonl", tmp_path / "plot.svg", tmp_path / "numbers.json"
    asked = ("--noise", "--problems", "macro-92", "--solvers", "nomad of version 1", "random")
    code, printed = ran("solvers", "--runs", str(runs), *asked, "--seeds", "2", "--first-seed", "300001")
    assert code == 0, printed
    code, printed = ran("solvers", "--runs", str(runs), "--report", str(plot), str(numbers))
    assert code == 0, printed
    [group] = json.loads(numbers.read_text())
    rows = {row["solver"]: row for row in group["searches"]}
    frozen, other = rows["nomad of version 1"], rows["random"]
    assert frozen["against_frozen"]["100"] == {"better": 0, "worse": 0, "p": 1.0}
    assert sum(other["against_frozen"]["100"][side] for side in ("better", "worse")) == 2
    assert frozen["at"]["10"]["median"] > frozen["at"]["100"]["median"] >= 1
    assert 0 < frozen["seconds_a_training"] < 1
