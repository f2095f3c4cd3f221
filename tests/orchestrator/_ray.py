"""Ray clusters of several nodes on this one machine, for tests that may kill parts of one."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator import executors
from orchestrator.executors import ClusterOptions, Executor


class Cluster:
    """A head without slots of its own, so that nothing but the record is lost with any other node."""

    def __init__(self, nodes: int, **resources: float) -> None:
        from ray.cluster_utils import Cluster as Simulated

        before = signal.getsignal(signal.SIGTERM)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = {"num_cpus": 0, "include_dashboard": False}
            self._simulated: Any = Simulated(initialize_head=True, head_node_args=head)
            self.nodes = [self.added(**resources) for _ in range(nodes)]
        signal.signal(signal.SIGTERM, before)
        self.address: str = self._simulated.address

    def added(self, **resources: float) -> Any:
        """One more node, with a CPU or what is asked for."""
        return self._simulated.add_node(**{"num_cpus": 1, "num_gpus": 0, **resources})

    def kill(self, node: Any) -> None:
        """Kill a node with SIGKILL, all of its own processes at once."""
        self._simulated.remove_node(node, allow_graceful=False)

    def executor(self, device: str = "cpu", slots: int | None = None, **place: Any) -> Executor:
        where = ClusterOptions(address=self.address, **place)
        return executors.load("ray").create(device, slots, place=where)

    def close(self) -> None:
        self._simulated.shutdown()


@contextmanager
def cluster(nodes: int, **resources: float) -> Iterator[Cluster]:
    opened = Cluster(nodes, **resources)
    try:
        yield opened
    finally:
        opened.close()
