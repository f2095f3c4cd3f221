"""What is done to a study of the fake trainer, one fault at a time, and what is held against it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from _victims import ROOT, Rows, begin, ended, left_over, rows, typed, victims

from tests.postgres import Server

SEARCH = (
    *("--base", "senet18", "--budget", "10steps", "--solver", "random", "--tolerance", "0.01"),
    *("--slots", "2", "--early-stop", "0", "--retries", "20"),
)
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
_SEEN: dict[Path, dict[int, str]] = {}


def undisturbed(folder: Path, options: tuple[str, ...]) -> Rows:
    words = typed(folder / "calm", "nas_search", *options)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS_OF_STUDY)
    return rows(folder / "calm")


def forget(folder: Path) -> None:
    """Let a folder have ended: another study may be in one of its name."""
    _SEEN.pop(folder, None)


def compare(fault: Fault, folder: Path) -> None:
    """Hold what has ended by now against what had ended before."""
    before, now = _SEEN.get(folder, {}), ended(folder)
    fault.lost += sum(number not in now for number in before)
    fault.trained_twice += sum(now.get(number, at) != at for number, at in before.items())
    _SEEN[folder] = now


def killing(kind: str, number: int) -> Inject:
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


def hang_up(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    """Tell the orchestrator that its terminal is gone, which it was begun to ignore."""
    study.send_signal(signal.SIGHUP)
    return True


def suspend(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    """Suspend the orchestrator alone for some seconds, as Ctrl-Z or a debugger does."""
    study.send_signal(signal.SIGSTOP)
    time.sleep(rng.uniform(5.5, 7.0))
    study.send_signal(signal.SIGCONT)
    return True


def cut_lines(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
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


def cut_log(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
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


def hold_database(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    with closing(sqlite3.connect(folder / "results.db", isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.execute("ROLLBACK")
    return True


def cutting_lock(server: Server) -> Inject:
    """Cut the connection that holds the study's lock, and have the same command come while it is lost.

    Every other time the orchestrator is asleep meanwhile, as on a machine that was suspended.
    """

    def inject(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
        asleep = rng.random() < 0.5
        if asleep:
            study.send_signal(signal.SIGSTOP)
        cut = server.cut_locks()
        rival = begin(cast("list[str]", study.args))
        if asleep:
            time.sleep(rng.uniform(3.0, 6.0))
            study.send_signal(signal.SIGCONT)
        _, said = rival.communicate(timeout=SECONDS_OF_STUDY)
        if rival.returncode not in (0, 2) or said.count("\n") != (rival.returncode == 2):
            raise SystemExit(f"the rival: exit {rival.returncode}: {said}")
        return bool(cut)

    return inject


def restarting(server: Server) -> Inject:
    def inject(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
        server.stop()
        time.sleep(rng.uniform(0.5, 3.0))
        server.start()
        return True

    return inject


def come_by_a_link(study: subprocess.Popen[str], folder: Path, rng: random.Random) -> bool:
    """Ask the same of the database by a symbolic link to it: that must be refused."""
    link = folder / f"link{rng.random()}.db"
    link.symlink_to("results.db")
    words = [*cast("list[str]", study.args), "--db", str(link)]
    rival = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS_OF_STUDY)
    if study.poll() is None and (rival.returncode != 2 or "is being run by process" not in rival.stderr):
        raise SystemExit(f"the rival: exit {rival.returncode}: {rival.stderr}")
    return study.poll() is None


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
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
