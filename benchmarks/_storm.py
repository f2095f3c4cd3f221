"""One study under kill -9 of a random process of it every few seconds."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from _injections import SEARCH, Fault, compare, undisturbed
from _victims import begin, left_over, rows, typed, victims, wait_until


def storm(folder: Path, asked: argparse.Namespace) -> dict[str, object]:
    """Kill a random process of one study every few seconds, and start it again whenever it ends."""
    options = (*SEARCH, "--trials", str(asked.trials or 200), "--data", "fake:sleep=2.5,crash=.1")
    quick = [word.replace("sleep=2.5", "sleep=0") for word in options]
    fault, rng, kinds = Fault("storm"), random.Random(0), dict[str, int]()
    place, began = folder / "harried", time.monotonic()
    starts, undisturbed_until = 0, 0.0
    while True:
        study = begin(typed(place, "nas_search", *options))
        starts += 1
        while study.poll() is None:
            if rng.random() < 0.75:  # else even as it starts, which alone would let no study get anywhere
                wait_until(lambda: study.poll() is not None or _trains(study, place), 120)  # noqa: B023
            wait_until(lambda: study.poll() is not None, asked.every)  # noqa: B023
            compare(fault, place)
            if time.monotonic() - began < asked.storm and study.poll() is None:
                kind, pid = _random_victim(study.pid, place, rng)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kinds[kind] = kinds.get(kind, 0) + 1
                    fault.injected += 1
                undisturbed_until = time.monotonic() - began
        _, said = study.communicate()
        compare(fault, place)
        if study.returncode == 0:
            break
        if study.returncode != -signal.SIGKILL:
            raise SystemExit(f"exit {study.returncode}: {said}")
    calm = undisturbed(folder, tuple(quick))
    found = [tuple(str(value) for value in row) for row in rows(place)]
    attempts = [number for (number,) in rows(place, ("attempts",))]
    return {
        **asdict(fault),
        "equal": found == [tuple(str(value) for value in row) for row in calm],
        "orphans": left_over(place),
        "trials": len(found),
        "killed": kinds,
        "starts_of_the_orchestrator": starts,
        "trials_begun_more_than_once": sum(number > 1 for number in attempts),
        "seconds": round(time.monotonic() - began, 1),
        "last_kill_at_seconds": round(undisturbed_until, 1),
    }


def _trains(study: subprocess.Popen[str], folder: Path) -> bool:
    return bool(victims("trainer", study.pid, folder))


def _random_victim(orchestrator: int, folder: Path, rng: random.Random) -> tuple[str, int]:
    kinds = ("orchestrator", "solver", "guard", "trainer")
    found = [(kind, pid) for kind in kinds for pid in victims(kind, orchestrator, folder)]
    return rng.choice(found)
