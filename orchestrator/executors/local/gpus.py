"""The GPUs that trials may use: those listed by NVML, without those hidden by CUDA_VISIBLE_DEVICES.

A GPU is selected by its UUID and not by its number, because CUDA numbers GPUs fastest first and NVML numbers
them by bus position.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pynvml

from orchestrator.executors import ExecutorError

NONE_VISIBLE = ("", "-1", "void", "none", "NoDevFiles")


@dataclass(frozen=True)
class Gpu:
    """A GPU as NVML lists it: `name` by its bus position, its UUID, and its product name."""

    name: str
    uuid: str
    product: str


class DriverError(ExecutorError):
    """There is an NVIDIA driver, but it does not work."""


def present() -> list[Gpu]:
    """Return the machine's GPUs in bus order; none without a driver. Raises DriverError."""
    try:
        with _nvml():
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            named = [(pynvml.nvmlDeviceGetUUID(each), pynvml.nvmlDeviceGetName(each)) for each in handles]
            return [Gpu(f"gpu-{index}", *names) for index, names in enumerate(named)]
    except pynvml.NVMLError_LibraryNotFound:
        return []
    except pynvml.NVMLError as error:
        raise DriverError(
            f"the NVIDIA driver does not work ({error}); see what nvidia-smi says, or use --device cpu"
        ) from error


def energy_joules(uuid: str) -> float | None:
    """Return the joules that a GPU has used since its driver was loaded; None before Volta, and for MIG."""
    with suppress(pynvml.NVMLError), _nvml():
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000  # it counts millijoules
    return None


def visible(gpus: list[Gpu], wish: str | None, order: str | None) -> list[Gpu]:
    """Return the GPUs visible with CUDA_VISIBLE_DEVICES=`wish` and CUDA_DEVICE_ORDER=`order`.

    Entries are numbers, UUIDs or the beginnings of UUIDs; MIG instances are taken as they are. Raises
    ExecutorError for an entry that matches no GPU or more than one (CUDA would silently stop there).
    """
    if wish is None:
        return gpus
    if wish.strip() in NONE_VISIBLE:
        return []
    chosen = [_find_gpu(entry.strip(), gpus, wish, order) for entry in wish.split(",")]
    return list(dict.fromkeys(chosen))


def _find_gpu(entry: str, gpus: list[Gpu], wish: str, order: str | None) -> Gpu:
    if entry.startswith("MIG-"):
        return Gpu(f"gpu-{entry}", entry, "MIG instance")
    if entry.isdigit():
        if order != "PCI_BUS_ID" and len({gpu.product for gpu in gpus}) > 1:
            raise ExecutorError(
                f"CUDA_VISIBLE_DEVICES={wish} is ambiguous among GPUs of several products, which CUDA "
                "numbers fastest first; name GPUs by UUID (nvidia-smi -L) or set CUDA_DEVICE_ORDER=PCI_BUS_ID"
            )
        matches = gpus[int(entry) : int(entry) + 1]
    else:
        matches = [gpu for gpu in gpus if entry and gpu.uuid.startswith(entry)]
    if len(matches) != 1:
        raise ExecutorError(
            f"CUDA_VISIBLE_DEVICES={wish}: {entry!r} names {len(matches)} GPUs; "
            f"this machine has {', '.join(f'{i} ({gpu.uuid})' for i, gpu in enumerate(gpus)) or 'none'}"
        )
    return matches[0]


@contextmanager
def _nvml() -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()
