"""The solver's process: what becomes of it, and what its deaths look like."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.solvers import SolverDied, SolverProcess
from orchestrator.spec.problem import Ask, Evaluation
from tests.orchestrator import _solving
from tests.orchestrator._processes import alive, eventually

ONE = [Evaluation(1.0, (0.0,))]


def speaking(program: str) -> list[str]:
    """A solver in one line of Python, which has read the problem."""
    return [sys.executable, "-c", f"import sys, time\nsys.stdin.readline()\n{program}"]


def test_a_killed_solver_is_reported_with_its_signal() -> None:
    with SolverProcess("random", _solving.grid()) as solver:
        solver.ask()
        os.kill(solver.pid, signal.SIGKILL)
        solver.tell(ONE)
        with pytest.raises(SolverDied, match=re.escape("solver random died of signal 9 (Killed)")):
            solver.ask()


def test_an_exception_in_a_solver_is_reported_with_its_last_line_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "solver.log"
    log.write_text("words of an earlier run\n")
    with SolverProcess("missing", _solving.grid(), log=log) as solver, pytest.raises(SolverDied) as death:
        solver.ask()
    message = str(death.value)
    assert message.startswith("solver missing stopped with ValueError: no solver is named 'missing'")
    assert f"(log: {log})" in message
    assert "Traceback" in message
    assert "earlier run" not in message
    assert "earlier run" in log.read_text()


def test_an_exit_is_reported_with_its_code_and_last_words() -> None:
    command = speaking("sys.exit('no licence')")
    message = "solver own ended with exit code 1; the end of its log:\nno licence"
    with (
        SolverProcess("own", _solving.grid(), command=command) as solver,
        pytest.raises(SolverDied, match=message),
    ):
        solver.ask()


def test_a_solver_that_hangs_is_killed() -> None:
    with SolverProcess(
        "own", _solving.grid(), command=speaking("time.sleep(60)"), think_seconds=0.5
    ) as solver:
        began = time.monotonic()
        with pytest.raises(SolverDied, match=r"computed for 0\.5 s without a question and was killed"):
            solver.ask()
        assert time.monotonic() - began < 50
        assert not alive(solver.pid)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("print('hello', flush=True)", "sent a line that is not JSON: b'hello'"),
        ("print('[1]', flush=True)", "sent b'[1]', which is not a message"),
        ("print('{\"ask\": []}', flush=True)", "asked about 0 points at once, not 1 to 1"),
        (
            'print(\'{"ask": [{"depth": 9, "width": 1}]}\', flush=True)',
            "asked about no point of the space: depth = 9 is out of range; allowed: 0.5 to 1.5",
        ),
    ],
)
def test_nonsense_is_reported_as_what_it_is(said: str, message: str) -> None:
    command = speaking(f"{said}\ntime.sleep(60)")
    with (
        SolverProcess("own", _solving.grid(), command=command) as solver,
        pytest.raises(SolverDied, match=re.escape(message)),
    ):
        solver.ask()


def test_answers_must_be_as_many_as_asked_for() -> None:
    with SolverProcess("random", _solving.grid()) as solver:
        solver.ask()
        with pytest.raises(ValueError, match="2 answers for 1 points; give one each"):
            solver.tell(ONE * 2)
        with pytest.raises(ValueError, match="has 2 constraints and the problem 1; give as many"):
            solver.tell([Evaluation(1.0, (0.0, 0.0))])
        solver.tell(ONE)
        assert solver.ask()


def test_closing_leaves_no_process_and_may_be_done_twice() -> None:
    solver = SolverProcess("random", _solving.grid())
    solver.ask()
    solver.close()
    solver.close()
    assert not Path(f"/proc/{solver.pid}").exists()


def test_closing_ends_what_the_solver_has_started() -> None:
    starting = "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, file=sys.stderr)"
    asking = 'print(\'{"ask": [{"depth": 1, "width": 1}]}\', flush=True)\ntime.sleep(60)'
    children = Path("/proc")
    with SolverProcess("own", _solving.grid(), command=speaking(f"{starting}\n{asking}")) as solver:
        solver.ask()
        group = [int(f.name) for f in children.glob("[0-9]*") if _group(int(f.name)) == solver.pid]
    assert len(group) == 2
    assert eventually(lambda: not any(map(alive, group)))


def test_a_terminals_ctrl_c_does_not_reach_the_solver() -> None:
    with SolverProcess("random", _solving.grid()) as solver:
        assert os.getpgid(solver.pid) == solver.pid != os.getpgid(0)


def test_the_pause_is_called_while_the_solver_thinks_and_may_end_the_asking() -> None:
    class Stopped(Exception):
        pass

    def pause() -> None:
        raise Stopped

    with SolverProcess("random", _solving.grid()) as solver:
        with pytest.raises(Stopped):
            solver.ask(pause)
        assert solver.ask() == [Ask(_solving.GRID_START)]


@pytest.mark.parametrize("stopped", [False, True], ids=["waiting", "computing"])
def test_a_solver_dies_with_its_parent(stopped: bool) -> None:
    """A stopped process stands for one that computes: it cannot notice that its pipe has closed."""
    program = (
        "import time\nfrom orchestrator.solvers import SolverProcess\n"
        "from tests.orchestrator import _solving\n"
        "solver = SolverProcess('random', _solving.grid())\nsolver.ask()\n"
        "print(solver.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    if stopped:
        os.kill(child, signal.SIGSTOP)
    assert alive(child)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not alive(child))


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
