"""Run trials on an existing Ray cluster: one per GPU, per fraction of a GPU, or per CPU.

A trial outlives a killed orchestrator for some minutes, and the next orchestrator with the same job follows
it. A stop and the job's timeout end it as with other executors.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from orchestrator.executors import HERE, ClusterOptions, Executor, Exit, Job, check_slots
from orchestrator.executors._process.capacity import LimitedExecutor
from orchestrator.executors.ray import cluster
from orchestrator.executors.ray.cluster import Share
from orchestrator.executors.ray.job import RayJob
from orchestrator.executors.ray.transfer import find_needed


def create(
    device: str = "auto", slots: int | None = None, trainer: Sequence[str] = (), place: ClusterOptions = HERE
) -> Executor:
    """Return an executor on the cluster at `place.address`; `slots` is by default as many as fit.

    A trial takes `place.gpu_fraction` of a GPU, or a CPU if `device` is cpu or the cluster has no GPU. Every
    node is checked for what `trainer` needs. Raises ExecutorError.
    """
    place.check_only("address", "gpu_fraction", executor="ray")
    check_slots(device, slots)
    cluster.join(place.address)
    try:
        share = cluster.choose_share(device, place.gpu_fraction)
        room = cluster.count_slots(share, slots)
        if trainer:
            cluster.check_nodes(share, trainer, find_needed(trainer))
    except BaseException:
        cluster.leave()
        raise
    return Ray(share, room)


class Ray(LimitedExecutor):
    """Runs trials on the cluster that this process has joined."""

    name = "ray"

    def __init__(self, share: Share, slots: int) -> None:
        super().__init__(slots)
        self.device = share.device
        self._share = share
        self._names: set[str] = set()
        self._naming = threading.Lock()
        self._left = False

    def _run(self, job: Job, stopped: Callable[[], bool], started: Callable[[str], None]) -> Exit:
        return RayJob(job, self._share, stopped, started, self._name_slot).run()

    def close(self) -> None:
        super().close()
        with self._naming:
            if not self._left:
                self._left = True
                cluster.leave()

    @contextmanager
    def _name_slot(self, host: str, gpus: str) -> Iterator[str]:
        """Keep a name for a slot while a trial runs on it, unique also among trials that share a device."""
        device = f"{host}-gpu-{gpus}" if self._share.gpus else f"{host}-cpu"
        names = [device, *(f"{device}-{number}" for number in range(1, self.slots))]
        with self._naming:
            name = next(name for name in names if name not in self._names)
            self._names.add(name)
        try:
            yield name
        finally:
            with self._naming:
                self._names.discard(name)
