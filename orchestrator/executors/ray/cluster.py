"""Join an existing Ray cluster and read its resources.

The code of this package and of our trainer is sent to the nodes, so that every node runs the same version;
the libraries are the nodes' own. Ray installs its own SIGTERM handler when it joins. Ours is restored here,
because SIGTERM stops a search.
"""

import importlib.util
import logging
import math
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.executors import ExecutorError
from orchestrator.executors.ray.actor import find_missing

NAMESPACE = "nomad-nas"
SENT = ("orchestrator", "trainer")  # the packages whose code is sent; the second one may be absent
CONNECT_SECONDS, CHECK_SECONDS = 5.0, 120.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """The share of a node that one trial takes."""

    gpus: float  # at most 1; 0: it takes a CPU

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def options(self) -> dict[str, float]:
        """Return it as Ray's options. A trial on a GPU asks for no CPU: nodes may have fewer CPUs
        than GPUs.
        """
        return {"num_cpus": 0, "num_gpus": self.gpus} if self.gpus else {"num_cpus": 1, "num_gpus": 0}

    def fits(self, resources: dict[str, float]) -> int:
        """Return how often it fits on a node."""
        if not self.gpus:
            return math.floor(resources.get("CPU", 0))
        # a trial's share is of one GPU, so a rest of each is left over
        return math.floor(resources.get("GPU", 0)) * math.floor(1 / self.gpus + 1e-9)


def join(address: str | None) -> None:
    """Connect this process to the cluster. Raises ExecutorError."""
    if address is None:
        raise ExecutorError("--executor ray needs a cluster: give --address HOST:PORT, or --address auto")
    _check_address(address)
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".?")  # else it prints the logs of dead nodes
    ray = import_ray()
    if ray.is_initialized():
        raise ExecutorError("this process is in a Ray cluster already; leave it first, with ray.shutdown()")
    specs = [spec for spec in map(importlib.util.find_spec, SENT) if spec and spec.origin]
    code = [str(Path(str(spec.origin)).parent) for spec in specs]
    with _keep_signal_handlers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's about its own settings to come
        try:
            ray.init(
                address=address,
                namespace=NAMESPACE,
                runtime_env={"py_modules": code},
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise ExecutorError(
                f"cannot join the Ray cluster at {address}: {' '.join(str(error).split())[:400]}; "
                "start one (ray start --head), or add this machine to it (ray start --address HOST:PORT)"
            ) from error


def leave() -> None:
    import_ray().shutdown()


def choose_share(device: str, fraction: float | None) -> Share:
    """Return what a trial takes: of a GPU, if the cluster has any and the user does not want the CPU.

    Raises ExecutorError if `device` is cuda and the cluster has no GPU, and for an invalid fraction.
    """
    if fraction is not None and not 0 < fraction <= 1:
        raise ExecutorError(
            f"--gpu-fraction {fraction} is not a fraction of a GPU; give more than 0, at most 1"
        )
    gpus = sum(resources.get("GPU", 0) for resources in _read_resources().values())
    if device == "cuda" and not gpus:
        raise ExecutorError(
            f"no GPU in the Ray cluster ({_describe_resources()}); use --device cpu to train on CPUs"
        )
    if device == "cpu" or not gpus:
        if fraction is not None:
            raise ExecutorError(f"--gpu-fraction {fraction} without a GPU ({_describe_resources()}); omit it")
        return Share(0.0)
    return Share(fraction or 1.0)


def count_slots(share: Share, requested: int | None) -> int:
    """Return how many trials run at once: as many as asked for, or as many as the cluster has room for now.

    Raises ExecutorError if there is no room at all.
    """
    room = sum(share.fits(resources) for resources in _read_resources().values())
    if not room:
        raise ExecutorError(
            f"no room for a trial in the Ray cluster ({_describe_resources()}); add nodes with CPUs to it"
        )
    if requested is not None and requested > room:
        logger.warning("--slots %d, but the cluster has room for %d trials now", requested, room)
    return requested or room


def check_nodes(share: Share, command: Sequence[str], needed: Sequence[str]) -> None:
    """Raise ExecutorError if a node on which trials will run lacks something that `command` needs."""
    ray = import_ray()
    task = ray.remote(find_missing)
    nodes = [node for node, resources in _read_resources().items() if share.fits(resources)]
    pins = [ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    answers = [
        task.options(num_cpus=0, scheduling_strategy=pin).remote(list(command), list(needed)) for pin in pins
    ]
    found, gone = list[str | None](), list[str]()
    errors = ray.exceptions
    # a node that has died, which Ray takes up to half a minute to notice
    of_a_dead_node = (
        *(errors.TaskUnschedulableError, errors.NodeDiedError),
        *(errors.LocalRayletDiedError, errors.WorkerCrashedError),
    )
    end = time.monotonic() + CHECK_SECONDS
    for answer in answers:
        try:
            found.append(ray.get(answer, timeout=max(0.0, end - time.monotonic())))
        except errors.RayError as error:
            gone.append(" ".join(str(error).split())[:400])
            if not isinstance(error, of_a_dead_node):
                raise ExecutorError(f"the nodes of the Ray cluster do not answer: {gone[-1]}") from error
    if not found:
        raise ExecutorError(f"the nodes of the Ray cluster do not answer: {gone[-1]}")
    problem = next(filter(None, found), None)
    if problem:
        raise ExecutorError(problem)


def import_ray() -> Any:
    """Return the package ray. Raises ExecutorError if it is not installed."""
    try:
        import ray  # an extra, and seconds to import
        import ray.util.scheduling_strategies
    except ModuleNotFoundError as error:
        raise ExecutorError(
            "--executor ray needs Ray; run pip install -e '.[ray]' in the checkout of nomad-nas"
        ) from error
    return ray


def _check_address(address: str) -> None:
    """Raise ExecutorError if nothing listens at HOST:PORT; Ray itself takes a minute to report that."""
    host, colon, port = address.rpartition(":")
    if address == "auto":
        return
    if not colon or not port.isdecimal() or "/" in host:  # ray:// is of Ray Client, which is not used
        raise ExecutorError(f"--address {address} is not the address of a cluster; give HOST:PORT, or auto")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ExecutorError(
            f"no Ray cluster answers at {address}: {error}; start one (ray start --head), or give another"
        ) from error


def _read_resources() -> dict[str, dict[str, float]]:
    """Return the total resources of each living node, by its id."""
    return {node["NodeID"]: node["Resources"] for node in import_ray().nodes() if node["Alive"]}


def _describe_resources() -> str:
    found = list(_read_resources().values())
    cpus, gpus = (sum(resources.get(name, 0) for resources in found) for name in ("CPU", "GPU"))
    return f"{len(found)} nodes, {cpus:g} CPUs, {gpus:g} GPUs"


@contextmanager
def _keep_signal_handlers() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
