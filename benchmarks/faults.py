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
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from _injections import (
    SEARCH,
    SECONDS_OF_STUDY,
    Fault,
    Inject,
    come_by_a_link,
    compare,
    cut_lines,
    cut_log,
    cutting_lock,
    forget,
    hang_up,
    hold_database,
    killing,
    restarting,
    small_disk,
    suspend,
    undisturbed,
)
from _setting import setting
from _storm import storm
from _victims import Rows, begin, ended, left_over, put_on_server, rows, typed, wait_until
from rich.console import Console
from rich.table import Table

from tests.postgres import Server, programs, server

KILLS = {
    "kill -9 of the orchestrator": ("orchestrator", signal.SIGKILL),
    "SIGTERM of the orchestrator": ("orchestrator", signal.SIGTERM),
    "kill -9 of the solver": ("solver", signal.SIGKILL),
    "SIGTERM of the solver": ("solver", signal.SIGTERM),
    "kill -9 of a trainer": ("trainer", signal.SIGKILL),
    "SIGTERM of a trainer": ("trainer", signal.SIGTERM),
    "kill -9 of a guard": ("guard", signal.SIGKILL),
    "kill -9 of the trainer's host": ("host", signal.SIGKILL),
    "kill -9 of a trial's supervisor": ("trial supervisor", signal.SIGKILL),
}
UNATTENDED = {  # how a shell begins a study
    "unattended: its terminal hangs up, under nohup": """trap '' HUP; exec "$@" >/dev/null""",
    "unattended: the reader of its output leaves": """"$@" | head -n 1""",
    "unattended: its output's disk is full": """exec "$@" >/dev/full""",
    "unattended: begun without stdin, stdout and stderr": """exec "$@" <&- >&- 2>&-""",
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


def main() -> None:
    asked = _arguments()
    console = Console(width=120)
    report = setting(("nomad-nas", "sqlalchemy"))
    with tempfile.TemporaryDirectory() as folder:
        if asked.storm:
            report |= {"storm": storm(Path(folder), asked)}
            console.print_json(data=report["storm"])
        else:
            found = list(_faults(Path(folder), asked, console))
            report |= {"times": asked.times, "faults": [asdict(fault) for fault in found]}
            console.print(_table(found))
    kept = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    part = "storm" if asked.storm else f"only {asked.only}" if asked.only else "table"
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
    calm = undisturbed(folder, options)
    injections: dict[str, tuple[Inject, bool]] = {
        name: (killing(*kill), kill[0] in ("host", "trial supervisor")) for name, kill in KILLS.items()
    }
    injections["unattended: its orchestrator suspended for 6 s"] = (suspend, False)
    injections["power cut: a trial's lines cut"] = (cut_lines, False)
    injections["power cut: the database's log cut"] = (cut_log, False)
    injections["a database locked for 3 s"] = (hold_database, False)
    for name, (inject, forks) in injections.items():
        if asked.only in name:
            console.print(name)
            yield _harried(Fault(name), folder, options, calm, inject, forks, asked.times)
    for name, (fault, reason) in TRAINERS.items():
        if asked.only in name:
            console.print(name)
            yield _misbehaving(Fault(name), folder, fault, reason, asked.times)
    for name, line in UNATTENDED.items():
        if asked.only in name:
            console.print(name)
            yield _unattended(Fault(name), folder, options, calm, line, asked.times)
    yield from _of_the_record(folder, asked, options, calm, console)
    if asked.only in "a full disk":
        console.print("a full disk")
        yield _full_disk(Fault("a full disk"), folder, options, calm)


def _of_the_record(
    folder: Path, asked: argparse.Namespace, options: tuple[str, ...], calm: Rows, console: Console
) -> Iterator[Fault]:
    """Yield what comes of faults of the lock and of the server; the latter where PostgreSQL is installed."""
    injections: dict[str, Callable[[Server], Inject]] = {
        "record: the connection of the study's lock cut": cutting_lock,
        "record: a restart of the server": restarting,
    }
    wanted = [name for name in injections if asked.only in name]
    if wanted and programs():
        with server() as started:
            for name in wanted:
                console.print(name)
                inject = injections[name](started)
                yield _harried(Fault(name), folder, options, calm, inject, False, asked.times, started)
    name = "record: the same command by a link to the database"
    if asked.only in name:
        console.print(name)
        yield _harried(Fault(name), folder, options, calm, come_by_a_link, False, asked.times)


def _harried(
    fault: Fault,
    folder: Path,
    options: tuple[str, ...],
    calm: Rows,
    inject: Inject,
    forks: bool,
    times: int,
    kept: Server | None = None,
) -> Fault:
    """Run the study again and again until the fault has been injected often enough.

    kept: where its record is, if not in its folder
    """
    rng = random.Random(fault.name)
    while fault.injected < times:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            if kept:
                put_on_server(Path(place), kept.database())
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
            compare(fault, folder)
        _, said = study.communicate()
        compare(fault, folder)
        if study.returncode == 0:
            forget(folder)
            return
        if study.returncode == 2 and "was taken up by another process" in said and said.count("\n") == 1:
            fault.reasons["its study taken up"] = fault.reasons.get("its study taken up", 0) + 1
            continue
        if study.returncode not in (-signal.SIGKILL, -signal.SIGTERM, 130):
            raise SystemExit(f"{fault.name}: exit {study.returncode}: {said}")


def _unattended(
    fault: Fault, folder: Path, options: tuple[str, ...], calm: Rows, line: str, times: int
) -> Fault:
    """Run the study again and again as the shell's line begins it; a terminal hangs up in the middle."""
    rng = random.Random(fault.name)
    while fault.injected < times:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            words = typed(Path(place), "nas_search", *options)
            study = begin(["bash", "-o", "pipefail", "-c", line, "bash", *words])
            if "HUP" in line:
                wait_until(lambda: len(ended(Path(place))) >= 3, SECONDS_OF_STUDY)
                hang_up(study, Path(place), rng)
            _, said = study.communicate(timeout=SECONDS_OF_STUDY)
            if study.returncode != 0:
                raise SystemExit(f"{fault.name}: exit {study.returncode}: {said}")
            fault.injected += 1
            found = rows(Path(place))
            fault.lost += len(calm) - len(found)
            fault.trained_twice += sum(attempts > 1 for (attempts,) in rows(Path(place), ("attempts",)))
            fault.equal &= found == calm
            fault.orphans += left_over(Path(place))
    return fault


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


def _full_disk(fault: Fault, folder: Path, options: tuple[str, ...], calm: Rows) -> Fault:
    """Fill the disk of a study, and give it room again a little at a time, until it has ended."""
    with small_disk(folder) as place:
        if place is None:
            fault.name += " (not injected: mounting one takes root)"
            return fault
        (place / "ballast").write_bytes(b"x" * (8 * 2**20 - 600_000))
        while True:
            study = begin(typed(place, "nas_search", *options))
            _, said = study.communicate(timeout=SECONDS_OF_STUDY)
            compare(fault, place)
            if study.returncode == 0:
                break
            if study.returncode != 2 or said.count("\n") != 1:
                raise SystemExit(f"{fault.name}: exit {study.returncode}: {said}")
            fault.injected += 1
            os.truncate(place / "ballast", max(0, (place / "ballast").stat().st_size - 60_000))
        fault.equal = rows(place) == calm
        fault.orphans = left_over(place)
    return fault


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
