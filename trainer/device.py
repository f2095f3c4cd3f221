"""The device of a trial, its precision, and what is reported of both."""

import importlib.metadata
import os
import platform
import re
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from trainer.config import GRAPH_ENGINES, TrialConfig
from trainer.errors import DeviceLost, InvalidConfig
from trainer.host import STARTED_BY_HOST


@dataclass(frozen=True)
class Device:
    """precision: fp32, bf16 or fp16; engine: how steps are run (trainer/engine.py)"""

    torch_device: torch.device
    precision: str
    engine: str = "auto"

    @property
    def cuda(self) -> bool:
        """Whether this is a GPU, which works asynchronously to the host."""
        return self.torch_device.type == "cuda"

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.torch_device.type, dtype, enabled=self.precision != "fp32")

    def synchronize(self) -> None:
        """Wait until the device has finished its work."""
        if self.cuda:
            torch.cuda.synchronize(self.torch_device)

    def time(self, work: Callable[[], object]) -> float:
        """Seconds that the work takes, until the device has finished it."""
        self.synchronize()
        began = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - began

    def peak_memory_bytes(self) -> int | None:
        """The most memory that tensors used at once. None on a CPU."""
        return torch.cuda.max_memory_allocated(self.torch_device) if self.cuda else None

    def describe(self) -> dict[str, Any]:
        """The fields of the `machine` event."""
        return {
            "device": self.torch_device.type,
            "device_name": torch.cuda.get_device_name(self.torch_device) if self.cuda else _processor_name(),
            "driver": _driver_version() if self.cuda else None,
            "precision": self.precision,
            "versions": {
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in ("torch", "torchvision", "numpy")},
            },
            "host": socket.gethostname(),
            "threads": torch.get_num_threads(),
            "started": "host" if STARTED_BY_HOST in os.environ else "process",
        }


def resolve_device(config: TrialConfig) -> Device:
    """The device and precision of a configuration.

    Raises InvalidConfig where the machine or torch lacks them, and DeviceLost where a pinned GPU is gone.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        if pinned := os.environ.get("CUDA_VISIBLE_DEVICES"):  # it was there, so another try may find it
            raise DeviceLost(
                f"the GPU {pinned} that CUDA_VISIBLE_DEVICES names is gone, or its driver does not answer; "
                "see what nvidia-smi and dmesg say of it"
            )
        raise InvalidConfig(
            "device cuda was asked for, but torch sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES, "
            'or give "device": "cpu"'
        )
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    if cuda:
        _check_kernels()
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False  # so that fp32 is fp32; it has 10 bits of the mantissa's 23
        return Device(torch.device("cuda"), _precision_on_gpu(config.precision), config.engine)
    if config.engine in GRAPH_ENGINES:
        raise InvalidConfig(f'engine {config.engine} needs a GPU; give "engine": "auto" or "eager"')
    if config.precision == "fp16":
        raise InvalidConfig('precision fp16 needs a GPU; give "precision": "auto", "fp32" or "bf16"')
    return Device(torch.device("cpu"), "bf16" if config.precision == "bf16" else "fp32", config.engine)


def _check_kernels() -> None:
    """Raise InvalidConfig if this torch has no kernels for the GPU; the first one would fail much later."""
    capability, built = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    if not built or any(_runs_on(capability, target) for target in built):
        return
    older = capability < (8, 0)
    advice = (
        "pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126"
        if older
        else "a newer torch"
    )
    raise InvalidConfig(
        f"torch {torch.__version__} has no kernels for {torch.cuda.get_device_name()} "
        f"(sm_{capability[0]}{capability[1]}), only for {', '.join(built)}; install one that has: {advice}"
    )


def _runs_on(capability: tuple[int, int], target: str) -> bool:
    """Whether what was built for a target, such as sm_86, sm_90a or compute_120, runs on a GPU.

    Code for sm_XY runs on X.Y and later minor versions of X; with a letter, which marks what only that
    version has, on X.Y alone. The driver compiles compute_XY for X.Y and everything later.
    """
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", target)
    if found is None:  # of another maker
        return True
    kind, *version, letter = found.groups()
    built = (int(version[0]), int(version[1]))
    if letter:
        return capability == built
    return capability >= built and (kind == "compute" or capability[0] == built[0])


def _precision_on_gpu(asked: str) -> str:
    """Auto is bf16 where the GPU computes it natively, else fp16 with a loss scaler."""
    native_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if asked == "bf16" and not native_bf16:
        name = torch.cuda.get_device_name()
        raise InvalidConfig(f'{name} has no bf16; give "precision": "fp16", "fp32" or "auto"')
    if asked == "auto":
        return "bf16" if native_bf16 else "fp16"
    return asked


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _driver_version() -> str | None:
    """NVIDIA's; None where its management library is missing, as in some containers."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
