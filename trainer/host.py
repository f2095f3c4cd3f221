"""`trainer host`: a fork server. It imports all that a trial needs, then forks a trial per request.

Its stdin is one end of a Unix socket pair, its only input, so no socket path can be stale or belong to
another user. Requests may be sent while it still imports. It must not start a thread or use CUDA, because
neither survives a fork; it checks this and refuses to serve otherwise.
"""

import gc
import importlib
import os
import pkgutil
import runpy
import select
import signal
import socket
import stat
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from trainer import supervisor
from trainer.errors import InvalidConfig

GREETING, READY = b"host 1\n", b"ready\n"  # 1: the version of this protocol
STARTED_BY_HOST = "NOMAD_NAS_STARTED_BY_HOST"  # in a trial's environment, for its `machine` event
_ORPHAN_SECONDS = 5.0  # for killing a trial's orphans, before the next request is read
_SWEEP_SECONDS = 0.02


def host() -> NoReturn:
    """Serve forks of this trainer. Raises InvalidConfig where that is not possible."""
    serve(_import_all_a_trial_needs, _run_trainer)


def serve(prepare: Callable[[], None], program: Callable[[], object]) -> NoReturn:
    """Greet, prepare, and fork the program per request, until the executor ends. Raises InvalidConfig."""
    requests = _take_stdin()
    requests.sendall(GREETING)  # before the imports, so that the executor may send and wait
    owner = _open_owner(requests)
    supervisor.adopt_orphans()
    prepare()
    _refuse_threads()
    gc.collect()
    gc.freeze()  # otherwise a trial's garbage collection would copy every page that it looks at
    requests.sendall(READY)
    _serve_requests(requests, owner, program)
    os._exit(0)  # the interpreter's own exit is slow with torch, and prints errors


def _serve_requests(requests: socket.socket, owner: int, program: Callable[[], object]) -> None:
    supervisors: dict[int, int] = {}  # process ids by pidfd
    while True:
        ready = select.select([owner, requests.fileno(), *supervisors], [], [])[0]
        for ended in set(ready) & set(supervisors):
            _reap_supervisor(supervisors.pop(ended), ended, set(supervisors.values()))
        if owner in ready:
            return
        if requests.fileno() in ready:
            connection = _receive_connection(requests)
            if connection is None:
                return
            pid = os.fork()
            if pid == 0:
                requests.close()  # so that its other end sees when this server ends
                _run_supervisor(connection, owner, program)
            supervisors[os.pidfd_open(pid)] = pid
            connection.close()


def _receive_connection(requests: socket.socket) -> socket.socket | None:
    """The connection of the next trial; None when there will be no more."""
    try:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 1)
    except ConnectionResetError:  # the greeting was never read
        return None
    return socket.socket(fileno=descriptors[0]) if message and descriptors else None


def _run_supervisor(connection: socket.socket, owner: int, program: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        supervisor.supervise(connection, owner, _why_unfit(), program)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _run_trainer() -> None:
    """Run the trainer's program from its start, as a new process would."""
    import torch

    os.environ[STARTED_BY_HOST] = "1"
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list, one per level
    if threads.isdigit() and int(threads) not in (0, torch.get_num_threads()):
        torch.set_num_threads(int(threads))  # torch read the variable when it was imported
    runpy.run_module("trainer", run_name="__main__", alter_sys=True)


def _import_all_a_trial_needs() -> None:
    """Import all our modules, and those that torch imports at the first optimizer and the first count."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy starts its threads when it is imported
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # so that looking for a GPU does not start CUDA
    import trainer

    for module in pkgutil.walk_packages(trainer.__path__, "trainer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("torch._dynamo", "torch.fx.experimental.symbolic_shapes"):
        importlib.import_module(name)


def _refuse_threads() -> None:
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise InvalidConfig(
            f"{threads} threads run after the imports, and a fork would lose all but one; find the module "
            "that starts them, or set OPENBLAS_NUM_THREADS=1"
        )


def _why_unfit() -> str | None:
    """Why this fork cannot train; None where it can."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda._is_in_bad_fork():
        return "an import has started CUDA, which a fork cannot use"
    return None


def _reap_supervisor(pid: int, pidfd: int, others: set[int]) -> None:
    """Reap a supervisor. If it failed or was killed, kill its trial's orphans, which this process adopted."""
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while status != 0 and time.monotonic() < deadline:
        orphans = set(supervisor.list_children()) - others
        if not orphans:
            return
        for orphan in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(_SWEEP_SECONDS)


def _take_stdin() -> socket.socket:
    """This end of the executor's socket pair; stdin becomes empty. Raises InvalidConfig."""
    if sys.platform != "linux":
        raise InvalidConfig(f"a host needs Linux, not {sys.platform}; run `trainer train` for each trial")
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        raise InvalidConfig("a host's stdin must be a Unix socket; see docs/trainer-protocol.md")
    requests = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return requests


def _open_owner(requests: socket.socket) -> int:
    """A pidfd of the process that made the socket pair. Raises InvalidConfig if it has ended."""
    pid = struct.unpack("3i", requests.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise InvalidConfig(
            f"cannot watch process {pid}, which started the host: {error.strerror}"
        ) from error
