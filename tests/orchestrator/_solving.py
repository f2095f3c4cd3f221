"""Problems for solvers, and a study in a few lines to play them with."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.solvers import SolverProcess
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Choice, Integer, Point, Real, Space

Answer = Callable[[Point], Evaluation]

MIXED = Space(
    (
        Real("rate", 1e-3, 0.6, log=True),
        Real("momentum", 0.0, 1 / 3),
        Real("width", 0.25, 1.25, granularity=1 / 16),
        Integer("layers", 1, 30, log=True),
        Choice("optimizer", ("sgd", True, 1, 1.0)),
        Choice("batch", (128, 256, 512), ordered=True),
        Choice("only", ("one",)),
        Real("held", 2.0, 2.0),
    )
)
MIXED_START = MIXED.point(
    {
        "rate": 0.0123456789012,
        "momentum": 0.1 + 0.2 / 3,
        "width": 1.0,
        "layers": 7,
        "optimizer": True,
        "batch": 256,
        "only": "one",
        "held": 2,
    }
)
GRID = Space((Real("depth", 0.5, 1.5, granularity=1 / 8), Real("width", 0.25, 1.25, granularity=1 / 32)))
GRID_START = GRID.point({"depth": 1, "width": 1})


def mixed(batch_size: int = 1, seed: int = 3) -> Problem:
    return Problem(MIXED, MIXED_START, batch_size, 1, seed)


def grid(batch_size: int = 1, seed: int = 3) -> Problem:
    return Problem(GRID, GRID_START, batch_size, 1, seed)


def cost_of_accuracy(point: Point) -> Evaluation:
    """A network's cost, which rises with its size, and by how much its accuracy misses a bound."""
    depth, width = float(point["depth"]), float(point["width"])
    accuracy = 1 - 0.3 * 0.3**depth - 0.3 * 0.1**width
    return Evaluation(depth * width**2, (0.87 - accuracy,))


def distance(point: Point) -> Evaluation:
    """How far a mixed point is from one corner."""
    numbers = MIXED.to_numbers(point)
    return Evaluation(
        sum(abs(number - v.lower) for number, v in zip(numbers, MIXED.variables, strict=True)), (0.0,)
    )


def failing_every_fourth(answer: Answer) -> Answer:
    """The same answers, but that every fourth evaluation fails."""
    asked = 0

    def evaluate(point: Point) -> Evaluation:
        nonlocal asked
        asked += 1
        return Evaluation.failure() if asked % 4 == 0 else answer(point)

    return evaluate


def questions(
    name: str, problem: Problem, answer: Answer, evaluations: int, log: Path | None = None
) -> list[list[Point]]:
    """What a solver asks until it is done or has had so many evaluations."""
    asked: list[list[Point]] = []
    with SolverProcess(name, problem, think_seconds=60, log=log) as solver:
        while sum(map(len, asked)) < evaluations:
            asks = solver.ask()
            if asks is None:
                break
            points = [ask.point for ask in asks]
            asked.append(points)
            solver.tell([answer(point) for point in points])
    return asked


def flat(asked: list[list[Point]]) -> list[Point]:
    return [point for block in asked for point in block]
