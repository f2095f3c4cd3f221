"""The device a trial runs on, its precision, and what the record should know of both."""

import importlib.metadata
import os
import platform
import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from trainer.config import TrialConfig
from trainer.errors import DeviceLost, InvalidConfig, TrialError
from trainer.host import STARTED_BY_HOST


@dataclass(frozen=True)
class Device:
    """Where the numbers are computed, and how precisely."""

    device: torch.device
    precision: str  # fp32, bf16 or fp16
    engine: str = "auto"  # how a step is run (trainer/engine.py)

    @property
    def cuda(self) -> bool:
        """Whether this is a GPU, whose work runs on behind the host's back."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype, enabled=self.precision != "fp32")

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def peak_memory_bytes(self) -> int | None:
        """The most that tensors held at once. None on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.cuda else None

    def describe(self) -> dict[str, Any]:
        """The fields of the `machine` event."""
        return {
            "device": self.device.type,
            "device_name": torch.cuda.get_device_name(self.device) if self.cuda else _processor(),
            "driver": _driver() if self.cuda else None,
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
    """The device and precision a configuration asks for. Raises Refused where the machine lacks them."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise _no_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"))
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    if cuda:
        torch.backends.cudnn.benchmark = True
        return Device(torch.device("cuda"), _precision_on_gpu(config.precision), config.engine)
    if config.engine == "graph":
        raise InvalidConfig('engine graph needs a GPU; give "engine": "auto" or "eager"')
    if config.precision == "fp16":
        raise InvalidConfig('precision fp16 needs a GPU; give "precision": "auto", "fp32" or "bf16"')
    return Device(torch.device("cpu"), "bf16" if config.precision == "bf16" else "fp32", config.engine)


def _no_gpu(pinned: str | None) -> TrialError:
    """Whoever pinned a GPU knew of one; nobody else's wish for one can be met by trying again."""
    if pinned:
        return DeviceLost(
            f"the GPU {pinned} that CUDA_VISIBLE_DEVICES names is gone, or its driver does not answer; "
            "see what nvidia-smi and dmesg say of it"
        )
    return InvalidConfig(
        "device cuda was asked for, but torch sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES, "
        'or give "device": "cpu"'
    )


def _precision_on_gpu(asked: str) -> str:
    """Auto is bf16 where the GPU computes it natively, else fp16 with a scaler."""
    native_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if asked == "bf16" and not native_bf16:
        raise InvalidConfig(
            f'{torch.cuda.get_device_name()} has no bf16; give "precision": "fp16", "fp32" or "auto"'
        )
    if asked == "auto":
        return "bf16" if native_bf16 else "fp16"
    return asked


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _driver() -> str | None:
    """The NVIDIA driver's version; None where its management library is missing, as in some containers."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
