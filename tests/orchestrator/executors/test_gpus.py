"""One trial a GPU, among all studies of the machine."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pynvml
import pytest

from orchestrator.executors import Executor, ExecutorError, local
from orchestrator.executors._process.slots import take
from orchestrator.executors.local import gpus
from orchestrator.executors.local.gpus import Gpu, visible
from tests.orchestrator._a_study import study, two_pretend_gpus
from tests.orchestrator._processes import eventually, job, naming, training

TWINS = [Gpu("gpu-0", "GPU-aa11", "H200"), Gpu("gpu-1", "GPU-ab22", "H200")]
MIXED = [Gpu("gpu-0", "GPU-aa11", "T4"), Gpu("gpu-1", "GPU-ab22", "H200")]

# a trial that notes on which GPU it ran and from when to when
NOTE = "import os, time; t = time.time(); time.sleep(.1); "
NOTE += "print(os.environ['CUDA_VISIBLE_DEVICES'], t, time.time())"


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def executor(locks: Path) -> Iterator[Executor]:
    opened = two_pretend_gpus(locks)
    yield opened
    opened.close()


def free(lock: Path) -> bool:
    descriptor = take(lock)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def test_two_studies_never_share_a_gpu(tmp_path: Path, locks: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    studies = [study(folder, 4, NOTE, locks) for folder in folders]
    assert [each.wait(timeout=60) for each in studies] == [0, 0]
    notes = [out.read_text().split() for out in tmp_path.glob("*/*/out")]
    assert len(notes) == 8
    assert {gpu for gpu, _, _ in notes} == {"GPU-a", "GPU-b"}
    for (gpu, start, end), (other_gpu, other_start, other_end) in combinations(notes, 2):
        assert gpu != other_gpu or float(end) <= float(other_start) or float(other_end) <= float(start)


def test_a_gpu_stays_locked_until_the_trial_of_a_killed_study_is_gone(tmp_path: Path, locks: Path) -> None:
    killed = study(tmp_path, 1, "fake:hang,ignore_sigterm", locks)
    out, lock = tmp_path / "0" / "out", locks / "GPU-a.lock"
    assert eventually(lambda: out.exists() and "machine" in out.read_text())
    clock = time.monotonic()
    killed.kill()
    killed.wait()
    assert eventually(lambda: free(lock))
    assert naming(tmp_path / "0") == []
    assert time.monotonic() - clock > 0.2  # the trial's grace is .3 seconds


def test_a_trial_holds_the_lock_of_its_gpu_itself(executor: Executor, locks: Path, tmp_path: Path) -> None:
    source = "from pathlib import Path; print(*(f.resolve() for f in Path('/proc/self/fd').iterdir()))"
    executor.run(job(tmp_path, "-c", source), threading.Event())
    assert str(locks / "GPU-a.lock") in (tmp_path / "out").read_text().split()
    assert free(locks / "GPU-a.lock")


def test_a_trial_waits_for_a_gpu_that_another_study_holds(
    executor: Executor, locks: Path, tmp_path: Path
) -> None:
    held = [take(locks / "GPU-a.lock"), take(locks / "GPU-b.lock")]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(executor.run, job(tmp_path, "-c", NOTE), threading.Event())
        time.sleep(0.2)
        assert not (tmp_path / "out").exists()
        os.close(held[1] or 0)
        assert waiting.result(timeout=60).slot == "gpu-b"
    os.close(held[0] or 0)


def test_a_stop_reaches_those_who_wait_for_a_gpu(executor: Executor, locks: Path, tmp_path: Path) -> None:
    held = [take(locks / "GPU-a.lock"), take(locks / "GPU-b.lock")]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(executor.run, training(tmp_path), stop)
        time.sleep(0.1)
        stop.set()
        assert waiting.result(timeout=60).reason == "stopped"
    for descriptor in held:
        os.close(descriptor or 0)


def test_fewer_slots_than_gpus_take_whichever_is_free(locks: Path, tmp_path: Path) -> None:
    held = take(locks / "GPU-a.lock")
    executor = two_pretend_gpus(locks, slots=1)
    assert executor.run(job(tmp_path, "-c", "pass"), threading.Event()).slot == "gpu-b"
    os.close(held or 0)


def test_locks_are_for_every_user_of_the_machine(locks: Path) -> None:
    assert free(locks / "GPU-a.lock")
    assert stat.S_IMODE(locks.stat().st_mode) == 0o1777
    assert stat.S_IMODE((locks / "GPU-a.lock").stat().st_mode) == 0o666


def test_a_place_where_no_lock_can_be_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExecutorError, match=r"Not a directory.*set NOMAD_NAS_LOCK_FOLDER to a folder"):
        take(tmp_path / "file" / "GPU-a.lock")


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        (None, ["gpu-0", "gpu-1"]),
        ("", []),
        ("-1", []),
        ("1", ["gpu-1"]),
        ("1,0", ["gpu-1", "gpu-0"]),
        ("GPU-ab", ["gpu-1"]),
        ("GPU-aa11, 0", ["gpu-0"]),
        ("MIG-77", ["gpu-MIG-77"]),
    ],
)
def test_the_users_cuda_visible_devices_is_kept_to(wish: str | None, left: list[str]) -> None:
    assert [gpu.name for gpu in visible(TWINS, wish, None)] == left


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ("2", "'2' names 0 GPUs; this machine has 0 .GPU-aa11., 1 .GPU-ab22."),
        ("0,GPU-a", "'GPU-a' names 2 GPUs"),
        ("GPU-zz", "'GPU-zz' names 0 GPUs"),
    ],
)
def test_a_cuda_visible_devices_that_names_no_gpu_is_refused(wish: str, complaint: str) -> None:
    with pytest.raises(ExecutorError, match=complaint):
        visible(TWINS, wish, None)


def test_numbers_are_ambiguous_among_different_gpus_unless_they_are_the_buss() -> None:
    with pytest.raises(ExecutorError, match=r"ambiguous.*set CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        visible(MIXED, "0", None)
    assert visible(MIXED, "0", "PCI_BUS_ID") == MIXED[:1]


class Divided:
    """What NVML answers on a machine whose second GPU is divided into two instances, numbers 0 and 3."""

    @staticmethod
    def instance(handle: str, number: int) -> str:
        if number not in (0, 3):
            raise pynvml.NVMLError_NotFound
        return f"{handle}/{number}"

    @staticmethod
    def mode(handle: str) -> list[int]:
        if handle == "0":
            raise pynvml.NVMLError_NotSupported
        return [1, 1]

    answers: ClassVar[dict[str, Any]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": str,
        "nvmlDeviceGetUUID": {"0": "GPU-aa", "1": "GPU-bb", "1/0": "MIG-cc", "1/3": "MIG-dd"}.get,
        "nvmlDeviceGetName": {"0": "T4", "1": "H200", "1/0": "H200 MIG 1g", "1/3": "H200 MIG 1g"}.get,
        "nvmlDeviceGetMigMode": mode,
        "nvmlDeviceGetMaxMigDeviceCount": lambda handle: 7,
        "nvmlDeviceGetMigDeviceHandleByIndex": instance,
    }


def test_of_a_gpu_that_is_divided_its_instances_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, answer in Divided.answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    listed = gpus.present()
    assert [(gpu.name, gpu.uuid) for gpu in listed] == [
        ("gpu-0", "GPU-aa"),
        ("gpu-1-mig-0", "MIG-cc"),
        ("gpu-1-mig-3", "MIG-dd"),
    ]
    assert [gpu.uuid for gpu in visible(listed, "MIG-dd", None)] == ["MIG-dd"]
    assert [gpu.uuid for gpu in visible(listed, "0", "PCI_BUS_ID")] == ["GPU-aa"]
    for whole in ("1", "GPU-bb"):
        with pytest.raises(ExecutorError, match=rf"'{whole}' names 2 GPUs; .*MIG-cc.*MIG-dd"):
            visible(listed, whole, "PCI_BUS_ID")
    assert visible(listed[:2], "GPU-b", None) == listed[1:2], "of a single instance the GPU is name enough"


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "present", lambda: TWINS)


@pytest.mark.usefixtures("twins")
def test_a_gpu_is_pinned_by_its_uuid_and_locked_where_the_user_says(
    tmp_path: Path, locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMAD_NAS_LOCK_FOLDER", str(locks))
    executor = local.create()
    assert executor.slots == 2
    assert executor.run(job(tmp_path, "-c", NOTE), threading.Event()).slot == "gpu-0"
    assert (tmp_path / "out").read_text().split()[0] == "GPU-aa11"
    assert (locks / "GPU-aa11.lock").exists()


@pytest.mark.usefixtures("twins")
def test_more_slots_than_gpus_are_refused() -> None:
    with pytest.raises(ExecutorError, match=r"--slots 3, but only 2 GPUs .* give --slots 2 or fewer"):
        local.create(slots=3)


@pytest.mark.usefixtures("twins")
def test_a_gpu_that_the_user_hid_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ExecutorError, match=r"no GPU to train on .CUDA_VISIBLE_DEVICES='' hides all 2"):
        local.create("cuda")
    assert local.create("auto", slots=1).slots == 1


def test_a_gpu_asked_for_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "present", list)
    with pytest.raises(ExecutorError, match=r"no NVIDIA driver or no card.; use --device cpu"):
        local.create("cuda")


def test_a_broken_driver_is_told_and_stops_only_those_who_need_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> list[Gpu]:
        raise gpus.DriverError("the NVIDIA driver does not work")

    monkeypatch.setattr(gpus, "present", broken)
    with pytest.raises(gpus.DriverError, match="does not work"):
        local.create("cuda")
    assert local.create("auto", slots=1).slots == 1
    assert "does not work; training on the CPU" in caplog.text


@pytest.mark.gpu
def test_a_trial_sees_the_one_gpu_it_is_pinned_to(tmp_path: Path) -> None:
    source = "import torch; p = torch.cuda.get_device_properties(0); print(torch.cuda.device_count(), p.uuid)"
    executor = local.create("cuda", lock_folder=tmp_path / "locks")
    ended = executor.run(job(tmp_path, "-c", source, timeout_seconds=120), threading.Event())
    count, uuid = (tmp_path / "out").read_text().split()
    assert (ended.slot, count) == ("gpu-0", "1")
    assert (tmp_path / "locks" / f"GPU-{uuid}.lock").exists()


def test_a_trial_that_finds_its_gpu_gone_is_given_another_one(
    executor: Executor, locks: Path, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    gone, stop = (
        "import os, sys; sys.exit(6 * (os.environ['CUDA_VISIBLE_DEVICES'] == 'GPU-a'))",
        threading.Event(),
    )
    other = take(locks / "GPU-b.lock")
    assert other is not None
    first = executor.run(job(tmp_path / "1", "-c", gone), stop)
    again = pool.submit(executor.run, job(tmp_path / "1", "-c", gone), stop)
    time.sleep(0.3)
    assert not again.done(), "it waits for the other one"
    os.close(other)
    ends = [(ended.code, ended.slot) for ended in (first, again.result())]
    assert ends == [(6, "gpu-a"), (0, "gpu-b")]


def test_a_trial_that_finds_all_gpus_gone_waits_for_none(executor: Executor, tmp_path: Path) -> None:
    nowhere = job(tmp_path / "1", "-c", "import sys; sys.exit(6)")
    slots = [executor.run(nowhere, threading.Event()).slot for _ in range(4)]
    assert set(slots[:2]) == {"gpu-a", "gpu-b"}
