"""What programs that watch over the service ask: whether it works, and numbers in Prometheus' text format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.service.queries import RecordQueries, Totals
from orchestrator.service.queue_worker import QueueWorker
from orchestrator.service.settings import Settings
from results.errors import StoreError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus' text format


def check_health(settings: Settings, worker: QueueWorker) -> dict[str, bool]:
    """Return which parts work. Everyone may ask for it, so it has no names and no paths."""
    return {
        "database": _is_readable(settings.database),
        "disk": _free_bytes(settings.runs) >= settings.limits.least_free_bytes,
        "queue": worker.is_working,
    }


def metrics_text(settings: Settings, totals: Totals) -> str:
    """Return the metrics in Prometheus' text format. What is counted here may fall: studies are deleted."""
    free = _free_bytes(settings.runs)
    return "".join(
        [
            *_gauge("nas_studies", "Studies and queued searches by state.", totals.studies),
            *_gauge("nas_trials", "Trials by state.", totals.trials),
            *_gauge("nas_workers", "Workers of the running searches.", totals.workers),
            *_gauge("nas_queue_length", "Searches that wait in the queue.", totals.queued),
            *_gauge(
                "nas_device_seconds", "Device time of all trials in the database.", totals.device_seconds
            ),
            *_gauge("nas_disk_free_bytes", "Free space for the folder of runs.", free),
        ]
    )


def _gauge(name: str, help_text: str, value: float | Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}\n# TYPE {name} gauge\n"
    if not isinstance(value, Mapping):
        yield f"{name} {value:.17g}\n"
        return
    for state, count in sorted(value.items()):
        yield f'{name}{{state="{state}"}} {count}\n'


def _is_readable(database: str) -> bool:
    try:
        RecordQueries(database).close()  # opened anew: an open file can be read when it was deleted
    except StoreError:
        return False
    return True


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
