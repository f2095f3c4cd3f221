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
    """A GPU, or an instance of one, as NVML lists it.

    name: by its bus position; parent: the UUID of the GPU that an instance is a part of
    """

    name: str
    uuid: str
    product: str
    parent: str | None = None


class DriverError(ExecutorError):
    """There is an NVIDIA driver, but it does not work."""


def present() -> list[Gpu]:
    """Return the machine's GPUs in bus order; none without a driver. Raises DriverError.

    Of a GPU that is divided by MIG (Multi-Instance GPU) its instances are returned, for a process sees one of
    them alone.
    """
    try:
        with _nvml():
            return [gpu for index in range(pynvml.nvmlDeviceGetCount()) for gpu in _parts(index)]
    except pynvml.NVMLError_LibraryNotFound:
        return []
    except pynvml.NVMLError as error:
        raise DriverError(
            f"the NVIDIA driver does not work ({error}); see what nvidia-smi says, or use --device cpu"
        ) from error


def _parts(index: int) -> list[Gpu]:
    """The GPU of that index, or its instances. Without an instance nothing can run on a divided one."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    whole = Gpu(f"gpu-{index}", pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle))
    try:
        divided = pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError_NotSupported:  # before Ampere
        divided = False
    if not divided:
        return [whole]
    parts = []
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with suppress(pynvml.NVMLError_NotFound):  # as many as there could be are asked for
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            uuid, product = pynvml.nvmlDeviceGetUUID(part), pynvml.nvmlDeviceGetName(part)
            parts.append(Gpu(f"{whole.name}-mig-{number}", uuid, product, parent=whole.uuid))
    return parts


def energy_joules(uuid: str) -> float | None:
    """Return the joules that a GPU has used since its driver was loaded; None before Volta, and for MIG."""
    with suppress(pynvml.NVMLError), _nvml():
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000  # it counts millijoules
    return None


def visible(gpus: list[Gpu], wish: str | None, order: str | None) -> list[Gpu]:
    """Return the GPUs visible with CUDA_VISIBLE_DEVICES=`wish` and CUDA_DEVICE_ORDER=`order`.

    Entries are numbers, UUIDs or the beginnings of UUIDs; MIG instances are taken as they are. Raises
    ExecutorError for an entry that matches no GPU or more than one (CUDA would silently stop there), such as
    a GPU of several instances.
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
        wholes = list(dict.fromkeys(gpu.parent or gpu.uuid for gpu in gpus))
        entries = wholes[int(entry) : int(entry) + 1]
    else:
        entries = [entry] if entry else []
    matches = [gpu for gpu in gpus if (gpu.parent or gpu.uuid).startswith(tuple(entries))]
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
