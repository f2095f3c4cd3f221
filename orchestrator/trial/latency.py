"""Measure the latency of networks, once per network and study.

Measurements vary, so each network is measured once in a study, before any of its trainings, and a resumed
study uses the recorded value. The trainer measures on a worker, or the user's command on a device of theirs
(`latency_command.py`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.executors import Executor, Job
from orchestrator.exit_codes import ExitCode
from orchestrator.spec.formulation import LATENCY_FAILED
from orchestrator.spec.limits import RETRIES
from orchestrator.spec.options import RunOptions
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo, Stopped, TrainerRefused, network_key
from orchestrator.trial import metrics
from orchestrator.trial.folder import TrialFolder
from results.db.tables import Trial

FEWEST = 4  # networks that fail, while none but the base succeeds, before that ends the search
_START_SECONDS, _NETWORK_SECONDS = 180.0, 60.0  # that measuring may take
_SAME = ("subset", "seed", "hyperparameters")  # of a training's key, without effect on its network's latency


class LatencyFailed(TrainerRefused):
    """The latency of no network can be measured; the message says why."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image, and their interquartile range if it is known; or why there are none."""

    ms: float | None
    iqr_ms: float | None = None
    failure: str | None = None


Measure = Callable[[Sequence[Mapping[str, Any]]], list[Latency]]


@dataclass
class LatencyProfiler:
    """A `NetworkDescriber` that also measures latencies. The first network described is the base."""

    trainer: NetworkDescriber
    measure: Measure
    known: dict[str, Latency] = field(default_factory=dict, init=False)

    def remember(self, rows: Iterable[Trial]) -> None:
        """Take over the latencies of these rows, the earliest of each network, and the failures."""
        for row in rows:
            failure = row.message if row.reason == LATENCY_FAILED else None
            if row.network_key and (row.latency_ms is not None or failure):
                found = Latency(row.latency_ms, row.latency_iqr_ms, failure)
                self.known.setdefault(network_of(row.network_key), found)

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        return self.describe_all([config])[0]

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        """Describe each configuration, with its latency, or why it has none.

        Raise as `TrainerClient.describe` does, and LatencyFailed if no network's latency can be measured.
        """
        found = self.trainer.describe_all(configs)
        names = [network_of(network_key(one, config)) for one, config in zip(found, configs, strict=True)]
        new = {name: config for name, config in zip(names, configs, strict=True) if name not in self.known}
        if new:
            self.known |= dict(zip(new, self.measure(list(new.values())), strict=True))
            self._refuse_if_all_fail()
        latencies = [self.known[name] for name in names]
        return [
            replace(one, latency_ms=of.ms, latency_iqr_ms=of.iqr_ms, latency_failure=of.failure)
            for one, of in zip(found, latencies, strict=True)
        ]

    def _refuse_if_all_fail(self) -> None:
        failed = [one.failure for one in self.known.values() if one.failure]
        if len(failed) >= FEWEST and len(self.known) - len(failed) <= 1:  # that one is the base
            raise LatencyFailed(
                f"the latency of all {len(failed)} networks but the base could not be measured; the last: "
                f"{failed[-1]}"
            )


@dataclass(frozen=True)
class WorkerLatency:
    """Has the trainer measure on a worker, as a trial is run: on its device, and while no trial runs there.

    folder: the study's, where its files go
    """

    executor: Executor
    request: RunOptions
    folder: Path
    stop: threading.Event

    def measure(self, configs: Sequence[Mapping[str, Any]]) -> list[Latency]:
        """Return the latency of each network. Raise TrainerRefused or Stopped."""
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


def _read(job: Job, count: int) -> list[Latency]:
    try:
        events = metrics.read(job.stdout).events
    except metrics.MalformedMetrics as error:
        raise TrainerRefused(f"the trainer's latencies cannot be read: {error}") from error
    refusal = next((event for event in events if event.get("event") == "error"), None)
    if refusal is not None:
        raise TrainerRefused(str(refusal.get("message", "the trainer gives no reason")))
    reported = [(event.get("latency_ms"), event.get("latency_iqr_ms", 0.0)) for event in events]
    measured = [
        Latency(float(ms), float(iqr)) for ms, iqr in reported if isinstance(ms, int | float) and ms > 0
    ]
    if len(measured) != count:
        raise TrainerRefused(
            f"the trainer returned {len(measured)} latencies for {count} networks "
            "(docs/trainer-protocol.md); omit --minimise latency and --max-latency-ms"
        )
    return measured


def network_of(key: str) -> str:
    """Return the part of a `network_key` that is about the network alone."""
    facts = {name: fact for name, fact in json.loads(key).items() if name not in _SAME}
    return json.dumps(facts, sort_keys=True)
