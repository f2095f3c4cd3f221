"""Whether the demo keeps its promise: the command that README shows, in a fresh folder, once for each seed.

Each run is one line of FILE.jsonl, and a run that has a line is not repeated. FILE.json has the sums. A
named network is at chance as a baseline is (results/analysis/chance.py).
`--busy 4` runs four processes beside it that do nothing but compute: a budget in steps makes the records
identical to those of the quiet runs, and so does `--slots 1`, one training at a time. Processor seconds are
of the command and all its trainings; they and the wall seconds grow on a machine that does other things too.

    nice -n 19 python benchmarks/demo.py                          # nas-search, seeds 0 to 19: about an hour
    nice -n 19 python benchmarks/demo.py --seeds 0:3 --busy 4
    nice -n 19 python benchmarks/demo.py --seeds 0:3 hpo-search --model senet18 --space recipe
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _setting import setting
from rich.console import Console
from rich.table import Table

from orchestrator.spec import provenance
from orchestrator.trial.outcome import count_spent
from results.analysis.chance import compare_with_chance
from results.db.store import Store
from results.db.tables import Trial

OUT = Path(__file__).parent / "results" / "demo.jsonl"
SEARCH = ("nas-search", "--base", "senet18")
DISTRIBUTIONS = ("nomad-nas", "torch", "PyNomadBBO", "numpy", "scipy")
RUN = "import sys; from orchestrator.cli import commands; sys.argv = sys.argv[1:]; commands.{}()"
RECORDED = (  # what two runs of one seed must agree on
    *("number", "purpose", "state", "point", "network_key", "replicate", "of_trial_number", "macs"),
    *("val_accuracy", "val_loss", "objective", "constraints", "verdict", "probability"),
)
CLASSES = 10  # of digits, equally frequent


@dataclass(frozen=True)
class Run:
    """One run of the demo. Accuracies are fractions, None without a network; the start is the base network.

    status: confirmed or provisional; none if no network was named
    share: MACs of the named network over those of the start
    record: a hash of all rows and curves, without times
    """

    search: str
    seed: int
    busy: int
    slots: int
    status: str
    macs: int | None
    share: float | None
    accuracy: float | None
    start_accuracy: float | None
    is_at_chance: bool
    trainings: float
    wall_seconds: float
    processor_seconds: float
    record: str
    git_commit: str | None

    @property
    def key(self) -> tuple[str, int, int, int]:
        return self.search, self.seed, self.busy, self.slots


def main() -> None:
    asked = _arguments()
    lines, search = asked.out, asked.search or list(SEARCH)
    known = _read(lines)
    first, end = map(int, asked.seeds.split(":"))
    for seed in range(first, end):
        if (" ".join(search), seed, asked.busy, asked.slots) in {run.key for run in known}:
            continue
        with _busy(asked.busy):
            run = _run(search, seed, asked.busy, asked.slots)
        with lines.open("a") as file:
            file.write(json.dumps(asdict(run)) + "\n")
        print(run, flush=True)
    rows = _sums(_read(lines))
    _show(rows)
    report = setting(DISTRIBUTIONS) | {"sums": rows}
    lines.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


def _run(search: Sequence[str], seed: int, busy: int, slots: int) -> Run:
    """Run the command in a fresh folder and read what it recorded."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*search, "--demo", "--seed", str(seed), "--device", "cpu", "--slots", str(slots)]
        words += ["--runs", folder]
        program = RUN.format(search[0].replace("-", "_"))
        began, before = time.monotonic(), _processor_seconds()
        subprocess.run([sys.executable, "-P", "-c", program, *words], check=True, stdout=subprocess.DEVNULL)
        wall_seconds, processor_seconds = time.monotonic() - began, _processor_seconds() - before
        with Store(Path(folder) / "results.db", read_only=True) as store:
            (study,), models = store.studies(), store.models()
            rows = store.trials(study.id)
            curves = store.curves(study.id, [row.number for row in rows])
    model, start = models[0] if models else None, rows[0]
    images = (start.config or {})["subset"]["validation"]
    known = [(one.val_accuracy or 0.0, one.trainings or 1) for one in models]
    named = [(accuracy, images, 1 / CLASSES) for accuracy, trainings in known for _ in range(trainings)]
    return Run(
        search=" ".join(search),
        seed=seed,
        busy=busy,
        slots=slots,
        status=model.status if model else "none",
        macs=model.macs if model else None,
        share=round(model.macs / start.macs, 3) if model and start.macs else None,
        accuracy=model.val_accuracy if model else None,
        start_accuracy=study.baseline_accuracy or start.val_accuracy,
        is_at_chance=bool(named) and compare_with_chance(named).is_reached,
        trainings=round(count_spent(rows), 2),
        wall_seconds=round(wall_seconds, 1),
        processor_seconds=round(processor_seconds, 1),
        record=_hash(rows, curves),
        git_commit=provenance.git_commit(),
    )


def _hash(rows: Sequence[Trial], curves: dict[int, Any]) -> str:
    told = [[getattr(row, name) for name in RECORDED] + [curves.get(row.number)] for row in rows]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _processor_seconds() -> float:
    """The user and system time of the processes started here that have ended, with those they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep so many processes computing."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _read(lines: Path) -> list[Run]:
    return [Run(**json.loads(line)) for line in lines.read_text().splitlines()] if lines.exists() else []


def _sums(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return one row for each search, number of trainings at a time and number of busy processes."""
    groups = defaultdict[tuple[str, int, int], list[Run]](list)
    first = dict[tuple[str, int], Run]()
    for run in runs:
        groups[run.search, run.slots, run.busy].append(run)
        first.setdefault((run.search, run.seed), run)
    return [_sum(its, first) for _, its in sorted(groups.items())]


def _sum(runs: Sequence[Run], first: dict[tuple[str, int], Run]) -> dict[str, Any]:
    named = [run for run in runs if run.share is not None]
    smaller = [run for run in named if run.status == "confirmed" and (run.share or 1) < 1]
    others = [(run, first[run.search, run.seed]) for run in runs if run != first[run.search, run.seed]]
    return {
        "search": runs[0].search,
        "slots": runs[0].slots,
        "busy": runs[0].busy,
        "runs": len(runs),
        "named": len(named),
        "smaller and confirmed": len(smaller),
        "at chance": sum(run.is_at_chance for run in runs),
        "median share of MACs": statistics.median(run.share or 1 for run in named) if named else None,
        "median trainings": statistics.median(run.trainings for run in runs),
        "wall seconds": _range(run.wall_seconds for run in runs),
        "processor seconds": _range(run.processor_seconds for run in runs),
        "records like the first of their seed": (
            f"{sum(run.record == earlier.record for run, earlier in others)} of {len(others)}"
        ),
    }


def _range(seconds: Iterable[float]) -> list[float]:
    known = sorted(seconds)
    return [known[0], statistics.median(known), known[-1]]


def _show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table()
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=160).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", default="0:20", help="FIRST:END, the end left out")
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside the demo")
    parser.add_argument("--slots", type=int, default=2, help="trainings at a time, one a core")
    parser.add_argument("--out", type=Path, default=OUT, help="file of lines; the sums go beside it")
    parser.add_argument("search", nargs=argparse.REMAINDER, help="the command, without --demo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
