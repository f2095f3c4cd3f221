"""Run trials on this machine: one per GPU, or without a GPU one per CPU core, each with one thread.

Other studies may want the same GPUs. So a trial also waits for a lock that all studies on the machine share,
and `run` may wait for hours although this study has free slots. CPU slots are not shared with other studies.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from orchestrator.executors import HERE, ClusterOptions, Executor, ExecutorError, Exit, Job, check_slots
from orchestrator.executors._process.capacity import LimitedExecutor
from orchestrator.executors._process.slots import CPU_ONLY, HeldLock, Slot, trial_environment
from orchestrator.executors._process.supervised import POLL_SECONDS, SupervisedJob, run_supervised
from orchestrator.executors.local import gpus as _gpus
from orchestrator.executors.local.fair_share import FairShare
from orchestrator.executors.local.fork_server import ForkServers
from orchestrator.exit_codes import ExitCode
from results.db.locks import gpu_lock_folder

LATE_SECONDS = 5.0  # after a trial's end: we were suspended, while its GPU's energy counter went on
LINUX = sys.platform == "linux"

logger = logging.getLogger(__name__)


def create(
    device: str = "auto",
    slots: int | None = None,
    trainer: Sequence[str] = (),
    place: ClusterOptions = HERE,
    lock_folder: Path | None = None,
) -> Executor:
    """Return an executor on this machine's GPUs, or on its CPU if `device` is cpu or there is no GPU.

    `slots`: trials at a time; by default one per GPU, or one per usable CPU core. If `trainer` has the
    command `host`, a fork server is started with it, and trainings are forks of that process.
    `lock_folder`: by default NOMAD_NAS_LOCK_FOLDER or /tmp/nomad-nas-locks. Raises ExecutorError if `device`
    is cuda and there is no GPU, and for more slots than GPUs.
    """
    place.check_only(executor="local")
    check_slots(device, slots)
    gpus = [] if device == "cpu" else _usable_gpus(device)
    if not gpus:
        return Local([_cpu_slot(index) for index in range(slots or _usable_cores())], trainer=trainer)
    if slots is not None and slots > len(gpus):
        raise ExecutorError(
            f"--slots {slots}, but only {len(gpus)} GPUs may be used, and each runs one trial at a time; "
            f"give --slots {len(gpus)} or fewer, or --device cpu"
        )
    folder = lock_folder or gpu_lock_folder()
    return Local([_gpu_slot(gpu, folder) for gpu in gpus], slots, "cuda", trainer)


class Local(LimitedExecutor):
    """Runs trials on the given slots, at most `slots` at once (all of them by default)."""

    name = "local"

    def __init__(
        self,
        places: Sequence[Slot],
        slots: int | None = None,
        device: str = "cpu",
        trainer: Sequence[str] = (),
    ) -> None:
        super().__init__(slots or len(places))
        self.device = device
        self._lock = threading.Lock()  # of all below
        self._free = list(places)
        self._places = len(places)
        self._waiting = 0  # threads, for a GPU that another study uses
        self._lost: dict[Path, set[str]] = {}  # by a job's folder: the slots whose GPU was lost to it
        locks = [place.lock for place in places if place.lock]
        self._share = FairShare(locks) if locks else None
        shared = dict(set.intersection(*(set(place.environment.items()) for place in places)))
        self._fork_servers = ForkServers(trainer, trial_environment(shared)) if trainer and LINUX else None

    def close(self) -> None:
        super().close()
        if self._fork_servers:
            self._fork_servers.close()

    def _run(self, job: Job, stopped: Callable[[], bool], started: Callable[[str], None]) -> Exit:
        taken = self._wait_for_slot(job, stopped)
        if taken is None:
            return Exit.before_start()
        slot, lock = taken
        try:
            return self._run_on(slot, lock, job, stopped, partial(started, slot.name))
        finally:
            lock.release()
            self._give_back(slot)

    def _run_on(
        self, slot: Slot, lock: HeldLock, job: Job, stopped: Callable[[], bool], started: Callable[[], None]
    ) -> Exit:
        started_at, clock, joules = datetime.now(UTC), time.monotonic(), slot.meter()
        environment = trial_environment(slot.environment)
        given = SupervisedJob(job, environment, stopped, started, lock)
        ending = (self._fork_servers and self._fork_servers.run(given)) or run_supervised(given)
        seconds = ending.seconds_since(clock)
        if ending.code == ExitCode.DEVICE_LOST and slot.lock is not None:
            self._lost.setdefault(job.folder, set()).add(slot.name)
        used, now = _difference(joules, slot.meter()), datetime.now(UTC)
        if ending.at is not None and time.monotonic() - ending.at > LATE_SECONDS:
            used = None  # also by other studies, or not known
        return Exit(
            ending.code,
            ending.reason,
            slot.name,
            seconds,
            started_at,
            now,
            said=ending.said,
            energy_joules=used,
            slept_seconds=ending.slept_seconds,
        )

    def _wait_for_slot(self, job: Job, stopped: Callable[[], bool]) -> tuple[Slot, HeldLock] | None:
        is_waiting, lost = False, self._lost.get(job.folder, set())
        try:
            while not stopped():
                taken = self._take_slot(lost)
                if taken is not None:
                    return taken
                if not is_waiting and not lost:
                    is_waiting = True
                    logger.info("all GPUs are in use by other studies; waiting for one")
                    self._count_waiting(1)
                time.sleep(POLL_SECONDS)
            return None
        finally:
            if is_waiting:
                self._count_waiting(-1)

    def _count_waiting(self, change: int) -> None:
        """Count a thread that starts or stops waiting for a GPU used by other studies."""
        with self._lock:
            self._waiting += change
            if self._share is not None:
                (self._share.wait if self._waiting else self._share.leave)()

    def _take_slot(self, lost: set[str]) -> tuple[Slot, HeldLock] | None:
        """Return a free slot and its lock; none of those that were `lost` to the job, unless all were.

        A slot is not free if another study has its lock, or goes first.
        """
        with self._lock:
            for slot in self._free:
                if slot.name in lost and len(lost) < self._places:
                    continue
                lock = HeldLock()
                if slot.lock is not None and self._share is not None:
                    descriptor = self._share.take(slot.lock)
                    if descriptor is None:
                        continue
                    lock = HeldLock(descriptor)
                self._free.remove(slot)
                return slot, lock
        return None

    def _give_back(self, slot: Slot) -> None:
        with self._lock:
            self._free.append(slot)
            if self._share is not None and slot.lock is not None:
                self._share.give_back(slot.lock)


def _usable_gpus(device: str) -> list[_gpus.Gpu]:
    try:
        gpus = _gpus.present()
    except _gpus.DriverError as error:
        if device == "cuda":
            raise
        logger.warning("%s; training on the CPU", error)
        return []
    wish = os.environ.get("CUDA_VISIBLE_DEVICES")
    usable = _gpus.visible(gpus, wish, os.environ.get("CUDA_DEVICE_ORDER"))
    if device == "cuda" and not usable:
        why = (
            f"CUDA_VISIBLE_DEVICES={wish!r} hides all {len(gpus)}" if gpus else "no NVIDIA driver or no card"
        )
        raise ExecutorError(f"there is no GPU to train on ({why}); use --device cpu to train on the CPU")
    return usable


def _gpu_slot(gpu: _gpus.Gpu, lock_folder: Path) -> Slot:
    pin, lock = {"CUDA_VISIBLE_DEVICES": gpu.uuid}, lock_folder / f"{gpu.uuid}.lock"
    return Slot(gpu.name, pin, lock, partial(_gpus.energy_joules, gpu.uuid))


def _difference(before: float | None, after: float | None) -> float | None:
    """Return the difference; None if it is unknown, or if the counter restarted with the driver."""
    return None if before is None or after is None or after < before else after - before


def _cpu_slot(index: int) -> Slot:
    return Slot(f"cpu-{index}", CPU_ONLY)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
