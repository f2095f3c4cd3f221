"""What 20 readers of the service cost a study that writes 5,000 trials, and what it costs them.

    python benchmarks/service.py [--trials 5000] [--readers 20] [--out FILE.json]

The writer is this process, as an orchestrator writes: a row before a training, then one transaction of a
result and five measurements. The service is `nas-serve`, the readers a third process: each has a page's
stream open and asks for the list, the study or its newest trials every half second. The first fifth of the
trials is written with nobody reading, to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from _setting import setting

from results.db.store import Store
from results.errors import StoreError

DISTRIBUTIONS = ("nomad-nas", "fastapi", "uvicorn", "sqlalchemy", "httpx")
SERVE = "from orchestrator.service.cli import main; main()"
CONFIG = {"model": "senet18", "scale": {"width": 0.5}, "dataset": "digits", "seed": 0}
PERIOD_SECONDS = 0.5


def main() -> None:
    asked = _arguments()
    if asked.read:
        print(json.dumps(_read(asked.read, asked.readers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report = setting(DISTRIBUTIONS) | _measured(Path(folder), asked.trials, asked.readers)
    report["load_average_after"] = list(os.getloadavg())
    text = json.dumps(report, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


def _measured(folder: Path, trials: int, readers: int) -> dict[str, Any]:
    errors: Counter[str] = Counter()
    with Store(folder / "results.db") as store:
        study = store.open_study("s", "nas", {"subject": "senet18"}, trials, {}, None)
        alone = _write(store, study.id, range(1, trials // 5 + 1), errors)
        with (
            serving(folder) as (_, url),
            _Process([sys.executable, __file__, "--read", url, "--readers", str(readers)]) as reading,
        ):
            time.sleep(3)
            written = _write(store, study.id, range(trials // 5 + 1, trials + 1), errors)
            pages = json.loads(reading.end())
    return {
        "trials": trials,
        "readers": readers,
        "write_alone_ms": summary(alone),
        "write_ms": summary(written),
        "write_errors": dict(errors),
        **pages,
    }


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a service on the runs in `folder`, and its address."""
    with _Process([sys.executable, "-P", "-c", SERVE, "--port=0", f"--runs={folder}"]) as service:
        yield service.running, service.line().partition(" at ")[2].partition(";")[0]


def _write(store: Store, study: int, numbers: range, errors: Counter[str]) -> list[float]:
    """Return the milliseconds of each transaction."""
    spent = []
    for number in numbers:
        for act in (_begin, _finish):
            begun = time.perf_counter()
            try:
                act(store, study, number)
            except StoreError as error:
                errors[str(error)] += 1
            spent.append(1000 * (time.perf_counter() - begun))
    return spent


_ids: dict[int, int] = {}


def _begin(store: Store, study: int, number: int) -> None:
    trial = store.start_trial(study, number, purpose="search", config=CONFIG, macs=10**6 + number)
    _ids[number] = trial.id


def _finish(store: Store, study: int, number: int) -> None:
    curve = [{"epoch": n, "elapsed_seconds": float(n), "val_accuracy": 0.1 * n} for n in range(1, 6)]
    store.finish_trial(
        _ids.pop(number), "completed", curve, val_accuracy=0.5, objective=1.0, wall_seconds=9.0
    )


def _read(url: str, readers: int) -> dict[str, Any]:
    """Poll until standard input closes, and return what came of it."""
    spent, statuses, stop = list[float](), Counter[str](), threading.Event()
    heard: Counter[str] = Counter()
    threads = [threading.Thread(target=_poll, args=(url, n, spent, statuses, stop)) for n in range(readers)]
    threads += [threading.Thread(target=_listen, args=(url, heard, stop)) for _ in range(readers)]
    for thread in threads:
        thread.daemon = True
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads[:readers]:
        thread.join()
    return {"page_ms": summary(spent), "page_statuses": dict(statuses), "stream_lines": dict(heard)}


def _poll(url: str, number: int, spent: list[float], statuses: Counter[str], stop: threading.Event) -> None:
    newest = 0
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while not stop.wait(PERIOD_SECONDS):
            paths = ("/api/studies", "/api/studies/s", f"/api/studies/s/trials?after={newest}")
            begun = time.perf_counter()
            answer = client.get(paths[number % 3])
            spent.append(1000 * (time.perf_counter() - begun))
            statuses[str(answer.status_code)] += 1
            if number % 3 == 2 and answer.status_code == 200 and answer.json():
                newest = answer.json()[-1]["number"]


def _listen(url: str, heard: Counter[str], stop: threading.Event) -> None:
    with httpx.stream("GET", f"{url}/api/studies/s/stream", timeout=60, trust_env=False) as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                heard[line.removeprefix("event: ")] += 1
            if stop.is_set():
                return


class _Process:
    """A process that ends when its standard input closes, or is ended."""

    def __init__(self, words: list[str]) -> None:
        self.running = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.running.terminate()
        self.running.wait()

    def line(self) -> str:
        assert self.running.stdout is not None
        return self.running.stdout.readline()

    def end(self) -> str:
        return self.running.communicate()[0]


def summary(spent: list[float]) -> dict[str, float]:
    """The median and the far end of what was measured."""
    cuts = statistics.quantiles(spent, n=100, method="inclusive")
    told = {"n": len(spent), "median": cuts[49], "p99": cuts[98], "max": max(spent)}
    return {name: round(value, 2) for name, value in told.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
