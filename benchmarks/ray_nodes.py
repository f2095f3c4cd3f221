"""The demo search on three simulated Ray nodes, one of which is killed, and then the search itself.

    python benchmarks/ray_nodes.py [--out FILE.json]

All nodes are processes of this machine, each with one CPU to give; the head has none. A node is killed with
SIGKILL when every one of them trains a network, then `nas-search` once two networks are trained again; it is
started once more with the same command. The report says what came of it, counted from the record and from the
processes that were seen, and how long an empty job takes here and there. Needs Linux and Ray
(`pip install -e '.[ray]'`).
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
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from _setting import setting
from ray.cluster_utils import Cluster

from orchestrator.executors import ClusterOptions, Executor, Job, local, ray
from results.db.store import Store

DISTRIBUTIONS = ("nomad-nas", "ray", "torch", "PyNomadBBO", "sqlalchemy")
NODES, STUDY = 3, "demo"
SEARCH = "from orchestrator.cli.commands import nas_search; nas_search()"
REPEATS = 7
POLL_SECONDS = 0.05
GUARD = "supervisor.py"


def main() -> None:
    asked = _arguments()
    report = setting(DISTRIBUTIONS) | {"nodes": NODES, "cpus_of_a_node": 1}
    before = signal.getsignal(signal.SIGTERM)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    signal.signal(signal.SIGTERM, before)
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES)]
        with tempfile.TemporaryDirectory() as folder:
            report["seconds_of_an_empty_job"] = _empty_jobs(cluster.address, Path(folder))
            report |= _disturbed(cluster, nodes[0], Path(folder))
    finally:
        cluster.shutdown()
    report["load_average_after"] = list(os.getloadavg())
    text = json.dumps(report, indent=1)
    print(text)
    asked.out.write_text(text + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ray.json")
    return parser.parse_args()


def _empty_jobs(address: str, folder: Path) -> dict[str, float]:
    """The median from the call of `run` to its return."""
    found = {}
    opened: dict[str, Callable[[], Executor]] = {
        "local": lambda: local.create("cpu", slots=1),
        "ray": lambda: ray.create("cpu", slots=1, place=ClusterOptions(address=address)),
    }
    for name, create in opened.items():
        with closing(create()) as executor:
            found[name] = round(statistics.median(_timed(executor, folder) for _ in range(REPEATS)), 3)
    return found


def _timed(executor: Executor, folder: Path) -> float:
    job = Job((sys.executable, "-c", "pass"), folder, folder / "out", folder / "err", timeout_seconds=60.0)
    began = time.monotonic()
    executor.run(job, threading.Event())
    return time.monotonic() - began


def _disturbed(cluster: Any, node: Any, folder: Path) -> dict[str, Any]:
    words = ("--base", "senet18", "--demo", "--study", STUDY, "--runs", str(folder))
    command = [sys.executable, "-P", "-c", SEARCH, *words, "--executor", "ray", "--address", "auto"]
    environment = os.environ | {"RAY_ADDRESS": cluster.address}
    began = time.monotonic()
    with _Watch(folder) as watch:
        with subprocess.Popen(command, env=environment) as search:
            _wait(lambda: len(watch.running()) >= NODES)
            node_killed = _kill_node(cluster, node, watch, folder, began)
            trained = _ended(folder)
            _wait(lambda: _ended(folder) >= trained + 3 and len(watch.running()) == NODES - 1)
            running, at_kill = watch.running(), _ended(folder)
            search.kill()
        again = time.monotonic()
        code = subprocess.run(command, env=environment, check=False).returncode
        search_killed = {
            "after_seconds": round(again - began, 1),
            "trials_ended": at_kill,
            "trials_running": sorted(running.values()),
            "their_trainings_in_all": sum(trial in running.values() for trial in watch.seen.values()),
            "seconds_of_the_second_run": _since(again),
        }
    disturbances = {"node_killed": node_killed, "search_killed": search_killed, "exit_code": code}
    return disturbances | {"seconds": _since(began)} | _record(folder, watch)


def _kill_node(cluster: Any, node: Any, watch: _Watch, folder: Path, began: float) -> dict[str, Any]:
    raylet = node.all_processes["raylet"][0].process.pid
    of_node = [pid for pid in watch.running() if raylet in _ancestors(pid)]
    killed = {"after_seconds": _since(began), "its_trainings": len(of_node), "trials_ended": _ended(folder)}
    clock = time.monotonic()
    cluster.remove_node(node, allow_graceful=False)
    _wait(lambda: not set(of_node) & set(watch.running()))
    killed["seconds_until_its_trainings_were_gone"] = _since(clock)
    _wait(lambda: _events(folder)["trial_lost"] > 0)
    return killed | {"seconds_until_the_loss_was_on_record": _since(clock)}


class _Watch:
    """Which trainings run in a folder, and have ever run, as /proc tells: process ids and trials."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.seen: dict[int, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def running(self) -> dict[int, str]:
        """A training is what a guard has started: not what it forks itself."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            words = _words(int(entry.name))
            configs = [Path(word) for word in words if word.startswith(self._folder) and ".json" in word]
            if configs and GUARD not in words and GUARD in _words(next(iter(_ancestors(int(entry.name))), 0)):
                found[int(entry.name)] = configs[0].parent.name
        return found

    def _look(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self.seen.update(self.running())


def _words(pid: int) -> list[str]:
    """A process's command, a guard's script named as such."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
    return [GUARD if word.endswith(GUARD) else word for word in words]


def _record(folder: Path, watch: _Watch) -> dict[str, Any]:
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study(STUDY)
        assert study is not None
        rows = store.trials(study.id)
        lost = [event.detail for event in store.events(study.id) if event.kind == "trial_lost"]
    trained = [row for row in rows if row.state not in ("screened", "duplicate")]
    return {
        "study": {"state": study.state, "message": study.message, "budget_trials": study.budget_trials},
        "trials": dict(Counter(row.state for row in rows)),
        "numbers_without_a_gap": [row.number for row in rows] == list(range(1, len(rows) + 1)),
        "trials_trained": len(trained),
        "trainings_seen": dict(sorted(Counter(watch.seen.values()).items())),
        "trainings_lost": lost,
        "slots": sorted({row.slot for row in trained if row.slot}),
        "trainings_left_over": len(watch.running()),
    }


def _ended(folder: Path) -> int:
    with suppress(Exception), Store(folder / "results.db", read_only=True) as store:
        study = store.study(STUDY)
        return sum(row.state != "running" for row in store.trials(study.id)) if study else 0
    return 0  # there is no record yet


def _events(folder: Path) -> Counter[str]:
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study(STUDY)
        return Counter(event.kind for event in store.events(study.id)) if study else Counter()


def _ancestors(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            found.append(pid)
    return found


def _wait(holds: Callable[[], bool], seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"what was waited for did not come within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def _since(clock: float) -> float:
    return round(time.monotonic() - clock, 1)


if __name__ == "__main__":
    main()
