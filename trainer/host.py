"""`trainer host`: a fork server. It imports all that a trial needs, then forks a trial per request.

Its stdin is one end of a Unix socket pair, which is its only input: there is no socket path that could be
stale or belong to someone else. Requests may be sent while it still imports. It must never start a thread
or use CUDA, since neither survives a fork; it checks this, and refuses to serve if it is violated.
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

GREETING, READY = b"host 1\n", b"ready\n"  # 1 is the version of this conversation
STARTED_BY_HOST = "NOMAD_NAS_STARTED_BY_HOST"  # in a trial's environment, for its `machine` event
_ORPHAN_SECONDS = 5.0  # for which a killed trial's leftovers are hunted before the next request is heard
_SWEEP_SECONDS = 0.02


def host() -> NoReturn:
    """Be a host of this trainer. Raises Refused where that cannot be."""
    serve(_import_all_a_trial_needs, _trainer)


def serve(prepare: Callable[[], None], program: Callable[[], object]) -> NoReturn:
    """Greet, prepare, and fork the program per request, until stdin ends or the process at its other end.

    Raises Refused where this process cannot fork what would train.
    """
    door = _door()
    door.sendall(GREETING)  # before the imports: whoever hears this may send and wait
    owner = _owner(door)
    supervisor.adopt_orphans()
    prepare()
    _refuse_threads()
    gc.collect()
    gc.freeze()  # a collection in a trial would copy every page it looks at
    door.sendall(READY)
    _answer(door, owner, program)
    os._exit(0)  # not the way through the interpreter: torch's own clearing up takes time and complains


def _answer(door: socket.socket, owner: int, program: Callable[[], object]) -> None:
    wardens: dict[int, int] = {}  # their pidfds: their process ids
    entrance = door.fileno()
    while True:
        ready = select.select([owner, entrance, *wardens], [], [])[0]
        for ended in set(ready) & set(wardens):
            _bury(wardens.pop(ended), ended, set(wardens.values()))
        if owner in ready:
            return
        if entrance in ready:
            connection = _request(door)
            if connection is None:
                return
            pid = os.fork()
            if pid == 0:
                door.close()  # so that its other end sees when we are gone, though wardens live on
                _stand(connection, owner, program)
            wardens[os.pidfd_open(pid)] = pid
            connection.close()


def _request(door: socket.socket) -> socket.socket | None:
    """The connection of the next trial; None when there will be no more."""
    try:
        message, descriptors, _, _ = socket.recv_fds(door, 1, 1)
    except ConnectionResetError:  # our greeting was never read
        return None
    return socket.socket(fileno=descriptors[0]) if message and descriptors else None


def _stand(connection: socket.socket, owner: int, program: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        supervisor.stand(connection, owner, _unfit(), program)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _trainer() -> None:
    """Run the trainer's program from its top, as a fresh process would."""
    import torch

    os.environ[STARTED_BY_HOST] = "1"
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list: one a level
    if threads.isdigit() and int(threads) not in (0, torch.get_num_threads()):
        torch.set_num_threads(int(threads))  # the variable was read when torch was imported
    runpy.run_module("trainer", run_name="__main__", alter_sys=True)


def _import_all_a_trial_needs() -> None:
    """Every module of ours, and those that torch would import at the first optimizer and the first count."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's starts its threads when it is imported
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # whoever asks for a GPU meanwhile starts no CUDA
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


def _unfit() -> str | None:
    """Why a fork of this process cannot train, seen from a fork."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda._is_in_bad_fork():
        return "an import has started CUDA, which a fork cannot use"
    return None


def _bury(pid: int, pidfd: int, wardens: set[int]) -> None:
    """Reap a supervisor. If it was killed or failed, its trial's orphans become our children: kill them."""
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while status != 0 and time.monotonic() < deadline:
        orphans = set(supervisor.children()) - wardens
        if not orphans:
            return
        for orphan in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(_SWEEP_SECONDS)


def _door() -> socket.socket:
    """Our end of the executor's socket pair, kept from whoever reads stdin."""
    if sys.platform != "linux":
        raise InvalidConfig(
            f"a host needs Linux, not {sys.platform}; run `trainer train` for each trial instead"
        )
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        raise InvalidConfig(
            "a host's stdin must be a Unix socket (docs/trainer-protocol.md); executors start one"
        )
    door = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return door


def _owner(door: socket.socket) -> int:
    """A pidfd of the process that made the socket pair. Raises Refused where it is gone already."""
    pid = struct.unpack("3i", door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise InvalidConfig(
            f"cannot watch process {pid}, which started this host: {error.strerror}"
        ) from error
