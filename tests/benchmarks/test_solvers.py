"""The benchmark of solvers: its loop answers as a study does, its numbers are what they say."""

import importlib
import json
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

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
    return sys.modules[name]


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

    run = module("_loop").play(benchmark, search, seed=1, budget=20, block=4, confirm=False)
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

    run = module("_loop").play(benchmark, search, seed=1, budget=20, block=1, confirm=False)
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


def test_noisy_winners_are_confirmed_with_trainings_of_the_budget(bench: ModuleType) -> None:
    benchmark = module("_problems").load("macro-92")
    search = load("random").search
    runs = [module("_loop").play(benchmark, search, seed, 60, 1, True) for seed in range(8)]
    assert all(run.trainings == 60 and run.steps for run in runs)
    assert all(run.blocks < run.trainings for run in runs)  # replicates are no blocks of the solver's
    assert sum(run.is_feasible for run in runs) >= 7


def test_a_noisy_draw_is_one_of_the_three_trainings(bench: ModuleType) -> None:
    benchmark = module("_problems").load("macro-92.5")
    drawn = {benchmark.draw(benchmark.start, random.Random(seed)).constraints[0] for seed in range(40)}
    mean = sum(drawn) / len(drawn)
    assert len(drawn) == 3
    assert mean == pytest.approx(benchmark.truth(benchmark.start).constraints[0], abs=1e-5)


def test_pairs_are_counted_on_common_seeds_alone(bench: ModuleType) -> None:
    run = module("_loop").Run
    ours = {seed: run(steps=[(1, 1.0)]) for seed in range(10)}
    theirs = {seed: run(steps=[(1, 1.5)]) for seed in range(5, 20)} | {4: run(), 3: run(steps=[(1, 1.0)])}
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
