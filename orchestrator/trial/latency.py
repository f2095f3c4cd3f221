"""Measure the latency of networks on a worker, once per network and study.

Measurements vary, so each network is measured once in a study, before any of its trainings, and a resumed
study uses the recorded value. The measurement runs like a trial, on a worker and under its lock: on the same
device as the trainings, while nothing else of ours runs there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.executors import Executor, Job
from orchestrator.exit_codes import ExitCode
from orchestrator.spec.limits import RETRIES
from orchestrator.spec.options import RunOptions
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo, Stopped, TrainerRefused, network_key
from orchestrator.trial import metrics
from orchestrator.trial.folder import TrialFolder
from results.db.tables import Trial

_START_SECONDS, _NETWORK_SECONDS = 180.0, 60.0  # that measuring may take
_SAME = ("subset", "seed", "hyperparameters")  # of a training's key, without effect on its network's latency
Measured = tuple[float, float]  # median and interquartile range, ms


@dataclass
class LatencyProfiler:
    """A `NetworkDescriber` that also measures latencies. `folder`: the study's, where its files go."""

    trainer: NetworkDescriber
    executor: Executor
    request: RunOptions
    folder: Path
    stop: threading.Event
    known: dict[str, Measured] = field(default_factory=dict, init=False)

    def remember(self, rows: Iterable[Trial]) -> None:
        """Take over the latencies of these rows, the earliest of each network."""
        for row in rows:
            if row.network_key and row.latency_ms is not None:
                self.known.setdefault(_network(row.network_key), (row.latency_ms, row.latency_iqr_ms or 0.0))

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        return self.describe_all([config])[0]

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        """Describe each configuration, with its latency; raise as `TrainerClient.describe` does."""
        found = self.trainer.describe_all(configs)
        names = [_network(network_key(one, config)) for one, config in zip(found, configs, strict=True)]
        new = {name: config for name, config in zip(names, configs, strict=True) if name not in self.known}
        if new:
            self.known |= dict(zip(new, self._measured(list(new.values())), strict=True))
        return [
            replace(one, latency_ms=self.known[name][0], latency_iqr_ms=self.known[name][1])
            for one, name in zip(found, names, strict=True)
        ]

    def _measured(self, configs: Sequence[Mapping[str, Any]]) -> list[Measured]:
        folder = TrialFolder(self.folder / "latency")
        folder.path.mkdir(parents=True, exist_ok=True)
        words = list[str]()
        for index, config in enumerate(configs):
            path = folder.path / f"{index}.json"
            path.write_text(json.dumps(config, indent=1) + "\n")
            words += ["--config", str(path)]
        job = Job(
            command=(*self.request.trainer_command, "describe", "--latency", *words),
            folder=folder.path,
            stdout=folder.path / "latency.jsonl",
            stderr=folder.log,
            timeout_seconds=_START_SECONDS + _NETWORK_SECONDS * len(configs),
            memory_bytes=self.request.limits.memory_bytes,
        )
        self._run(job)
        return _read(job, len(configs))

    def _run(self, job: Job) -> None:
        for _ in range(1 + RETRIES):
            end = self.executor.run(job, self.stop)
            if end.reason == "stopped":
                raise Stopped
            was_killed = end.code < 0 or end.code in (ExitCode.KILLED, ExitCode.STOPPED)  # from outside
            if end.reason in ("memory", "output") or not was_killed:
                break
        if end.code != 0:
            raise TrainerRefused(
                f"the trainer could not measure the latency (exit code {end.code}: "
                f"{end.said or metrics.last_line(job.stderr)}); "
                f"see {job.stderr}, or omit --minimise latency and --max-latency-ms"
            )


def _read(job: Job, count: int) -> list[Measured]:
    try:
        events = metrics.read(job.stdout).events
    except metrics.MalformedMetrics as error:
        raise TrainerRefused(f"the trainer's latencies cannot be read: {error}") from error
    refusal = next((event for event in events if event.get("event") == "error"), None)
    if refusal is not None:
        raise TrainerRefused(str(refusal.get("message", "the trainer gives no reason")))
    reported = [(event.get("latency_ms"), event.get("latency_iqr_ms", 0.0)) for event in events]
    measured = [(float(ms), float(iqr)) for ms, iqr in reported if isinstance(ms, int | float) and ms > 0]
    if len(measured) != count:
        raise TrainerRefused(
            f"the trainer returned {len(measured)} latencies for {count} networks "
            "(docs/trainer-protocol.md); omit --minimise latency and --max-latency-ms"
        )
    return measured


def _network(key: str) -> str:
    """Return the part of a `network_key` that is about the network alone."""
    facts = {name: fact for name, fact in json.loads(key).items() if name not in _SAME}
    return json.dumps(facts, sort_keys=True)
