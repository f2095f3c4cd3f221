"""Faults injected for real into studies of the fake trainer: what is lost, trained twice, or left running.

    python benchmarks/faults.py [--times 10] [--only kill] [--out FILE.json]
    python benchmarks/faults.py --storm 600 [--every 5] [--trials 200]

Each row of the table is one fault. A trial is lost where it had ended on record and no longer has, trained
twice where it had ended and its end has changed; the record must be that of the same study undisturbed.
`--storm` is one study under kill -9 of a random process of it every few seconds. Linux only; the full disk
needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from _setting import setting
from _victims import Rows, begin, ended, left_over, rows, typed, victims, wait_until
from rich.console import Console
from rich.table import Table

SEARCH = (
    *("--base", "senet18", "--budget", "10steps", "--solver", "random", "--tolerance", "0.01"),
    *("--slots", "2", "--early-stop", "0", "--retries", "20"),
)
KILLS = {
    "kill -9 of the orchestrator": ("orchestrator", signal.SIGKILL),
    "SIGTERM of the orchestrator": ("orchestrator", signal.SIGTERM),
    "kill -9 of the solver": ("solver", signal.SIGKILL),
    "SIGTERM of the solver": ("solver", signal.SIGTERM),
    "kill -9 of a trainer": ("trainer", signal.SIGKILL),
    "SIGTERM of a trainer": ("trainer", signal.SIGTERM),
    "kill -9 of a guard": ("guard", signal.SIGKILL),
    "kill -9 of the trainer's host": ("host", signal.SIGKILL),
    "kill -9 of a warden": ("warden", signal.SIGKILL),
}
TRAINERS = {  # a fault of the fake trainer, and the reason that its trials must have on record
    "a NaN accuracy": ("nan", "no_result"),
    "an infinite accuracy": ("inf", "no_result"),
    "exit 0 without a result": ("noresult", "no_result"),
    "a result told twice": ("twice", "bad_report"),
    "garbage on stdout": ("garbage", "bad_report"),
    "a flood of stdout": ("flood=stdout", "too_much_output"),
    "a flood of stderr, never ending": ("flood=stderr", "timeout"),
    "a leak of host memory": ("leak=self", "host_memory"),
    "a leak in a child of another session": ("leak=session,hang", "host_memory"),
    "deaf to SIGTERM, with a daemon": ("hang,ignore_sigterm,grandchild=daemon", "timeout"),
    "a GPU lost now and then": ("device_lost=0.4", ""),
}
SECONDS_OF_STUDY = 300.0


@dataclass
class Fault:
    """What came of one kind of fault."""

    name: str
    injected: int = 0
    lost: int = 0
    trained_twice: int = 0
    orphans: int = 0
    equal: bool = True  # the record to that of the study undisturbed, or each reason to the one expected
    reasons: dict[str, int] = field(default_factory=dict)


Inject = Callable[[subprocess.Popen[str], Path, random.Random], bool]


def main() -> None:
    asked = _arguments()
    console = Console(width=120)
    report = setting(("nomad-nas", "sqlalchemy"))
    with tempfile.TemporaryDirectory() as folder:
        if asked.storm:
            report |= {"storm": _storm(Path(folder), asked)}
            console.print_json(data=report["storm"])
        else:
            found = list(_faults(Path(folder), asked, console))
            report |= {"times": asked.times, "faults": [asdict(fault) for fault in found]}
            console.print(_table(found))
    kept = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    part = "storm" if asked.storm else "table"
    asked.out.write_text(json.dumps(kept | {part: report}, indent=1) + "\n")
    console.print(f"written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="that each fault is injected")
    parser.add_argument("--only", default="", help="faults with this in their name")
    parser.add_argument("--trials", type=int, help="of one study")
    parser.add_argument(
        "--storm", type=float, default=0.0, metavar="S", help="seconds of one study under kills"
    )
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="from one kill to the next")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "faults.json")
    return parser.parse_args()


def _faults(folder: Path, asked: argparse.Namespace, console: Console) -> Iterator[Fault]:
    trials = str(asked.trials or 24)
    options = (*SEARCH, "--trials", trials, "--data", "fake:sleep=.4,crash=.1")
    calm = _calm(folder, options)
    injections: dict[str, tuple[Inject, bool]] = {
        name: (_kill(*kill), kill[0] in ("host", "warden")) for name, kill in KILLS.items()
    }
    injections["power cut: a trial's lines cut"] = (_cut_lines, False)
    injections["power cut: the database's log cut"] = (_cut_log, False)
    injections["a database locked for 3 s"] = (_hold_database, False)
    for name, (inject, forks) in injections.items():
        if asked.only in name:
            console.print(name)
            yield _harried(Fault(name), folder, options, calm, inject, forks, asked.times)
    for name, (fault, reason) in TRAINERS.items():
        if asked.only in name:
            console.print(name)
            yield _misbehaving(Fault(name), folder, fault, reason, asked.times)
    if asked.only in "a full disk":
        console.print("a full disk")
        yield _full_disk(Fault("a full disk"), folder, options, calm)


def _calm(folder: Path, options: tuple[str, ...]) -> Rows:
    words = typed(folder / "calm", "nas_search", *options)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS_OF_STUDY)
    return rows(folder / "calm")


def _harried(
    fault: Fault, folder: Path, options: tuple[str, ...], calm: Rows, inject: Inject, forks: bool, times: int
) -> Fault:
    """Run the study again and again until the fault has been injected often enough."""
    rng = random.Random(fault.name)
    while fault.injected < times:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            words = typed(Path(place), "nas_search", *options, forks=forks)
            _one_study(fault, words, Path(place), rng, inject, times)
            fault.equal &= rows(Path(place)) == calm
            fault.orphans += left_over(Path(place))
    return fault


def _one_study(
    fault: Fault, words: list[str], folder: Path, rng: random.Random, inject: Inject, times: int
) -> None:
    while True:
        study = begin(words)
        while study.poll() is None:
            # each fault comes after some progress, or a busy machine would never end
            known = len(ended(folder))
            wait_until(lambda: len(ended(folder)) > known or study.poll() is not None, SECONDS_OF_STUDY)  # noqa: B023
            time.sleep(rng.uniform(0.2, 1.5))
            if study.poll() is None and fault.injected < times and inject(study, folder, rng):
                fault.injected += 1
            _compare(fault, folder)
        _, said = study.communicate()
        _compare(fault, folder)
        if study.returncode == 0:
            _SEEN.pop(folder, None)
            return
        if study.returncode not in (-signal.SIGKILL, -signal.SIGTERM, 130):
            raise SystemExit(f"{fault.name}: exit {study.returncode}: {said}")


_SEEN: dict[Path, dict[int, str]] = {}


def _compare(fault: Fault, folder: Path) -> None:
    """Hold what has ended by now against what had ended before."""
    before, now = _SEEN.get(folder, {}), ended(folder)
    fault.lost += sum(number not in now for number in before)
    fault.trained_twice += sum(now.get(number, at) != at for number, at in before.items())
    _SEEN[folder] = now


def _kill(kind: str, number: int) -> Inject:
    def inject(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
        found = victims(kind, study.pid, folder)
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(rng.choice(found), number)
            if kind == "orchestrator":
                study.wait()
            return True
        return False

    return inject


def _cut_lines(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    """Kill the orchestrator, and cut what its running trials have written somewhere."""
    study.kill()
    study.wait()
    left_over(folder)
    running = [path for path, state in rows(folder, ("folder", "state")) if state == "running"]
    for path in running:
        lines = Path(path) / "metrics.jsonl"
        if lines.exists():
            os.truncate(lines, rng.randrange(lines.stat().st_size + 1))
    return bool(running)


def _cut_log(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    """Kill the orchestrator, and cut the end of the write-ahead log; what it undoes is not on record."""
    study.kill()
    study.wait()
    left_over(folder)
    log = folder / "results.db-wal"
    if not log.exists() or not log.stat().st_size:
        return False
    size = log.stat().st_size
    os.truncate(log, size - rng.randrange(min(size, 200_000)))
    with suppress(FileNotFoundError):
        (folder / "results.db-shm").unlink()
    with closing(sqlite3.connect(folder / "results.db")) as db:
        if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise SystemExit("the database is damaged")
    _SEEN[folder] = ended(folder)
    return True


def _hold_database(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    with closing(sqlite3.connect(folder / "results.db", isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.execute("ROLLBACK")
    return True


def _misbehaving(fault: Fault, folder: Path, asked: str, reason: str, times: int) -> Fault:
    """Run an evaluation whose every training misbehaves: each must have its reason and have begun once."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        options = ("--model", "senet18", "--runs", str(times), "--no-test", "--budget", "10steps")
        images = ("--train-images", "500", "--validation-images", "100")
        limits = ("--slots", "2", "--timeout", "2", "--max-memory", "150MB", "--retries", "30")
        words = typed(Path(place), "nas_evaluate", *options, *images, *limits, "--data", f"fake:{asked}")
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS_OF_STUDY)
        found = rows(Path(place), ("reason", "attempts", "state"))
        fault.injected = times if reason else sum(attempts - 1 for _, attempts, _ in found)
        fault.trained_twice = sum(attempts != 1 for _, attempts, _ in found) if reason else 0
        fault.lost = times - len(found)
        fault.reasons = {
            str(name): [row[0] for row in found].count(name) for name in {row[0] for row in found}
        }
        fault.equal = set(fault.reasons) == {reason or "None"}
        fault.orphans = left_over(Path(place))
    return fault


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    place = folder / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(place)]
    if subprocess.run(words, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _full_disk(fault: Fault, folder: Path, options: tuple[str, ...], calm: Rows) -> Fault:
    """Fill the disk of a study, and give it room again a little at a time, until it has ended."""
    with _small_disk(folder) as place:
        if place is None:
            fault.name += " (not injected: mounting one takes root)"
            return fault
        (place / "ballast").write_bytes(b"x" * (8 * 2**20 - 600_000))
        while True:
            study = begin(typed(place, "nas_search", *options))
            _, said = study.communicate(timeout=SECONDS_OF_STUDY)
            _compare(fault, place)
            if study.returncode == 0:
                break
            if study.returncode != 2 or said.count("\n") != 1:
                raise SystemExit(f"{fault.name}: exit {study.returncode}: {said}")
            fault.injected += 1
            os.truncate(place / "ballast", max(0, (place / "ballast").stat().st_size - 60_000))
        fault.equal = rows(place) == calm
        fault.orphans = left_over(place)
    return fault


def _storm(folder: Path, asked: argparse.Namespace) -> dict[str, object]:
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
            _compare(fault, place)
            if time.monotonic() - began < asked.storm and study.poll() is None:
                kind, pid = _random_victim(study.pid, place, rng)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kinds[kind] = kinds.get(kind, 0) + 1
                    fault.injected += 1
                undisturbed_until = time.monotonic() - began
        _, said = study.communicate()
        _compare(fault, place)
        if study.returncode == 0:
            break
        if study.returncode != -signal.SIGKILL:
            raise SystemExit(f"exit {study.returncode}: {said}")
    calm = _calm(folder, tuple(quick))
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


def _table(found: list[Fault]) -> Table:
    table = Table(title="faults injected", title_justify="left")
    for name in ("fault", "injected", "lost", "trained twice", "orphans", "record as it should be"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    for fault in found:
        counts = (fault.injected, fault.lost, fault.trained_twice, fault.orphans)
        table.add_row(fault.name, *map(str, counts), "yes" if fault.equal else "NO")
    return table


if __name__ == "__main__":
    main()
