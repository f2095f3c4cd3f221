"""Solvers as forks of the process of the tests, which has imported what takes most of their time to import.

It is their own program on the same pipes, in a session of its own, killed and waited for as any other.
"""

import gc
import importlib
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from threadpoolctl import threadpool_limits

from orchestrator.solvers import SolverProcess
from orchestrator.solvers.__main__ import main

IMPORTED = ("PyNomad", "cmaes", "optuna.samplers", "orchestrator.solvers.gp", "orchestrator.solvers.nomad")
Start = Callable[[SolverProcess, Sequence[str]], "subprocess.Popen[bytes]"]


def starting(fresh: Start) -> Start:
    """How a `SolverProcess` starts the project's own solvers as forks, and any other command by `fresh`."""
    for name in IMPORTED:
        importlib.import_module(name)

    def start(process: SolverProcess, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        if command[2:4] != ["-m", "orchestrator.solvers"]:
            return fresh(process, command)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=process._log,
                start_new_session=True,
                preexec_fn=lambda: _become(command[4]),
            )

    return start


def _become(name: str) -> NoReturn:
    """Be the solver from here on: what was to be executed never is."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # pipes and locks of the tests, and what the parent waits for
    code: Any = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, 1) for fd, mode in enumerate("rww"))  # noqa: SIM115
        warnings.simplefilter("error")
        gc.enable()
        with threadpool_limits(1):
            main(name)
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        os._exit(code)
