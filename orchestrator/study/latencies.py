"""Measure the base network and the networks that a study saves once more, side by side, at its end.

The trainer times them on the CPU, and on a GPU if the study ran on one, with one image and with a batch. It
takes at most a small share of what the trainings took. Nothing that goes wrong here fails the study.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Any

from orchestrator.executors import ExecutorError, Job, StopOfOne
from orchestrator.search.context import SearchContext
from orchestrator.trainer_client import network_key
from orchestrator.trial import metrics
from orchestrator.trial.latency import network_of
from results.latency import COLUMNS, EVENT

MOST_SECONDS, SHARE = 10.0, 0.02  # of measuring; of the seconds that workers were busy with trainings
_LEAST_SECONDS = 0.5  # fewer are not worth a process
_WAIT_SECONDS = 20.0  # for a free worker
_START_SECONDS = 60.0  # for the trainer to import what it needs
_Measured = list[dict[str, Any]]


def measure(search: SearchContext) -> None:
    """Measure the base and the saved networks, if one of them is new, and record an event for each.

    Raise a StoreError.
    """
    store, study = search.store, search.study
    rows = store.trials(study.id)
    seconds = min(MOST_SECONDS, SHARE * math.fsum(row.slot_seconds or 0.0 for row in rows))
    if not search.spec.first.compares_latency or search.stop.is_set() or seconds < _LEAST_SECONDS:
        return
    events = [event for event in store.events(study.id) if event.kind == EVENT]
    known = {event.detail["trial"] for event in events if _has_any(event.detail["measured"])}
    ids = {model.trial_id for model in store.models() if model.study_id == study.id}
    saved = [row for row in rows if row.id in ids]
    if known.issuperset(row.number for row in saved):
        return
    start = search.spec.config(search.formulation.start)
    base = network_of(network_key(search.spec.first, start))
    found: dict[int | None, tuple[str, Mapping[str, Any]]] = {None: (base, start)}
    found |= {row.number: (network_of(row.network_key or ""), row.config or {}) for row in saved}
    networks = dict(found.values())  # the base's with other hyperparameters is measured once
    measured = dict(zip(networks, _measure(search, list(networks.values()), seconds), strict=True))
    if search.stop.is_set():
        return
    for trial, (name, _) in found.items():
        store.note(study.id, EVENT, {"trial": trial, "measured": measured[name]})


def _has_any(measured: _Measured) -> bool:
    return any("milliseconds" in one for one in measured)


def _measure(search: SearchContext, configs: list[Mapping[str, Any]], seconds: float) -> list[_Measured]:
    """Return what was measured of each configuration, or why nothing was."""
    folder = search.folder / "latency"
    paths = [folder / f"end-{index}.json" for index in range(len(configs))]
    words = [word for path in paths for word in ("--config", str(path))]
    job = Job(
        command=(*search.spec.request.trainer_command, "latency", "--seconds", f"{seconds:.3g}", *words),
        folder=folder,
        stdout=folder / "end.jsonl",
        stderr=folder / "end.log",
        timeout_seconds=_START_SECONDS + seconds,
        memory_bytes=search.spec.request.limits.memory_bytes,
    )
    found: list[_Measured] = [[] for _ in configs]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        job.stdout.unlink(missing_ok=True)  # of an earlier end
        for path, config in zip(paths, configs, strict=True):
            path.write_text(json.dumps(config, indent=1) + "\n")
        why = _run(search, job)
        for event in metrics.read(job.stdout).events:
            if event.get("event") == "latency":
                found[event["network"]].append(_read(event))
    except (ExecutorError, OSError, metrics.MalformedMetrics) as error:
        why = str(error)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        why = f"the trainer's answer cannot be read: {error!r}"
    return [one or [{"skipped": why or "the trainer measured nothing"}] for one in found]


def _run(search: SearchContext, job: Job) -> str | None:
    """Run the job; return why it did not end well, if so. Raise ExecutorError or OSError."""
    stop = StopOfOne(search.stop)
    patience = threading.Timer(_WAIT_SECONDS, stop.set)
    patience.start()
    try:
        end = search.executor.run(job, stop, lambda slot: patience.cancel())
    finally:
        patience.cancel()
    if end.reason == "stopped":
        return f"no worker was free within {_WAIT_SECONDS:g} s"
    if end.reason == "timeout":
        return f"the trainer did not end within {job.timeout_seconds:.0f} s"
    said = end.said or metrics.last_line(job.stderr)
    return None if end.code == 0 else f"the trainer ended with exit code {end.code}: {said}"


def _read(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the database keeps of a trainer's event. Raise KeyError, TypeError or ValueError."""
    told = {"device": str(event["device"]), "batch": int(event["batch"])}
    if "skipped" in event:
        return told | {"skipped": str(event["skipped"])}
    if not 0 < event["milliseconds"] < math.inf:
        raise ValueError(f"milliseconds {event['milliseconds']!r}")
    return told | {name: event.get(name) for name in COLUMNS if name not in ("trial", "skipped", *told)}
