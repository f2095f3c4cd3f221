"""A process that runs trials as a study would, for tests that kill it.

Arguments: a folder, how many trials, what each trains (a data set of the fake trainer, or else the source
of a Python program), a folder of locks for two pretend GPUs, or nothing for two CPU slots, and the trainer
that trials are forked from, or nothing for fresh processes. It exits with the greatest of the trials' codes.
"""

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.executors import Executor, local
from orchestrator.executors._process.slots import Slot
from tests.orchestrator._processes import HOSTED, job, training


def two_pretend_gpus(locks: Path, slots: int | None = None, trainer: Sequence[str] = ()) -> Executor:
    """GPUs are what may be pretended in these tests: the machine that runs them has none."""
    pins = {name: {"CUDA_VISIBLE_DEVICES": f"GPU-{name}"} for name in ("a", "b")}
    places = [Slot(f"gpu-{name}", pin, locks / f"GPU-{name}.lock") for name, pin in pins.items()]
    return local.Local(places, slots, trainer=trainer)


def study(
    folder: Path, trials: int, work: str, locks: Path | None = None, trainer: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start this program."""
    words = (str(folder), str(trials), work, str(locks or ""), *trainer)
    command = [sys.executable, "-m", "tests.orchestrator._a_study", *words]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])


def main(folder: str, trials: str, work: str, locks: str, *trainer: str) -> None:
    executor = (
        two_pretend_gpus(Path(locks), trainer=trainer)
        if locks
        else local.create("cpu", slots=2, trainer=trainer)
    )
    stop = threading.Event()

    folders = [Path(folder) / str(index) for index in range(int(trials))]
    if work.startswith("fake:"):
        jobs = [training(each, work, grace_seconds=0.3, program=(*HOSTED, *trainer)[-1]) for each in folders]
    else:
        jobs = [job(each, "-c", work, grace_seconds=0.3) for each in folders]
    with ThreadPoolExecutor(len(jobs)) as pool:
        codes = list(pool.map(lambda one: executor.run(one, stop).code, jobs))
    sys.exit(max(codes))


if __name__ == "__main__":
    main(*sys.argv[1:])
