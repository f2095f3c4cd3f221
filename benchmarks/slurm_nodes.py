"""Trials on a SLURM of two nodes, one of which dies, and a search that is killed four times.

    python benchmarks/slurm_nodes.py [--out FILE.json]

Both nodes are this machine, each with two CPUs to give; their daemons are made by the tests' own
`tests/orchestrator/_slurm.py`. How long an empty job takes here and there, alone and forty in a queue; what a
power cut costs; and what came of the search, counted from its record and from what its trainer wrote down.
Needs root and Debian's slurm-wlm and munge.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _setting import setting

from orchestrator.executors import Executor, Job, local, slurm
from orchestrator.executors.slurm.commands import JobQueue
from tests.orchestrator._slurm import Cluster, cluster, missing
from tests.orchestrator._slurm_studies import asked_of, await_another, trained
from tests.orchestrator._studies import record

REPEATS, QUEUED, KILLS = 9, 40, 4
ONLY_ONCE_LONG = (
    "import pathlib, time; first = not pathlib.Path('mark').exists(); pathlib.Path('mark').touch(); "
    "print('began', flush=True); time.sleep(300 if first else 0); print('ended')"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "slurm.json")
    out = parser.parse_args().out
    if why := missing():
        sys.exit(f"slurm_nodes: {why}")
    report = setting(("nomad-nas", "sqlalchemy")) | {"nodes": 2, "cpus_of_a_node": 2}
    with cluster() as opened, tempfile.TemporaryDirectory() as folder:
        report["slurm"] = opened.said("slurmctld", "-V").strip()
        report["seconds_of_an_empty_job"] = _empty_jobs(Path(folder))
        report["queue"] = _queue(Path(folder))
        report["power_cut"] = _power_cut(opened, Path(folder))
        report["killed_search"] = _killed_search(Path(folder))
    report["load_average_after"] = list(os.getloadavg())
    text = json.dumps(report, indent=1)
    print(text)
    out.write_text(text + "\n")


def _empty_jobs(folder: Path) -> dict[str, float]:
    """The median from the call of `run` to its return."""
    found = {}
    for executor in (local.create("cpu", slots=1), slurm.create("cpu", slots=1)):
        seconds = [_seconds(executor, _job(folder / f"{executor.name}{i}", "pass")) for i in range(REPEATS)]
        found[executor.name] = statistics.median(seconds)
        executor.close()
    return found


def _queue(folder: Path) -> dict[str, float]:
    """Many empty jobs on four slots."""
    queue = JobQueue()
    executor, began = slurm.Slurm("cpu", 4, queue=queue), time.monotonic()
    jobs = [_job(folder / f"queued{i}", "pass") for i in range(QUEUED)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: executor.run(job, threading.Event()), jobs))
    seconds = time.monotonic() - began
    return {"jobs": QUEUED, "slots": 4, "seconds_a_job": seconds / QUEUED, "squeues": queue.looks}


def _power_cut(opened: Cluster, folder: Path) -> dict[str, Any]:
    """A node goes with all that it runs: how long until its job has been done on the other one."""
    executor, job = slurm.create("cpu"), _job(folder / "cut", ONLY_ONCE_LONG)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(executor.run, job, threading.Event())
        while not job.stdout.exists() or not job.stdout.read_text():
            time.sleep(0.05)
        node = opened.said("squeue", "--noheader", "--format=%N").strip()
        began = time.monotonic()
        opened.cut_power(node)
        end = running.result()
        seconds = time.monotonic() - began
    opened.start(node)
    executor.close()
    elsewhere = end.slot != node
    return {"seconds": seconds, "code": end.code, "elsewhere": elsewhere, "printed": job.stdout.read_text()}


def _killed_search(folder: Path) -> dict[str, Any]:
    """The search of the tests, killed as soon as one more trial has begun, against one left alone."""
    calm, harried = folder / "calm", folder / "harried"
    subprocess.run(asked_of(calm, "local"), check=True, capture_output=True)
    typed = asked_of(harried, "slurm")
    for _ in range(KILLS):
        with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as study:
            await_another(harried)
            study.send_signal(signal.SIGKILL)
    subprocess.run(typed, check=True, capture_output=True)
    counts = trained(harried).values()
    of_interest = [[{**row, "exit_code": None} for row in record(each)] for each in (calm, harried)]
    return {
        "kills": KILLS,
        "trainings": len(counts),
        "trained_more_than_once": sum(count > 1 for count in counts),
        "record_as_undisturbed": of_interest[0] == of_interest[1],
    }


def _job(folder: Path, source: str) -> Job:
    folder.mkdir()
    return Job((sys.executable, "-c", source), folder, folder / "out", folder / "err", 400.0)


def _seconds(executor: Executor, job: Job) -> float:
    began = time.monotonic()
    assert executor.run(job, threading.Event()).code == 0
    return time.monotonic() - began


if __name__ == "__main__":
    main()
