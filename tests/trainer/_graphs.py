"""CUDA graphs without a GPU: what the trainer uses of torch.cuda for them, on the CPU.

Like a CUDA graph, a recorded one takes no effect while it is captured. Each replay repeats its operations on
the tensors at hand then, and writes the same outputs. It knows nothing of memory pools and streams.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.trainer.test_update import WAITING

CAPTURE_FAILED = "CUDA error: operation failed due to a previous error during capture"
POISONED = "captures_underway.empty() INTERNAL ASSERT FAILED"


class RefusedWaits(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Stands for torch.cuda.set_sync_debug_mode("error")."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(word in str(func) for word in WAITING):
            raise RuntimeError("called a synchronizing CUDA operation")
        return func(*args, **(kwargs or {}))

    __torch_dispatch__.__code__ = __torch_dispatch__.__code__.replace(
        co_filename=torch.__file__
    )  # as torch's own

    @classmethod
    def is_infra_mode(cls) -> bool:
        """That torch.compile works within this mode as without it."""
        return True


class Gpu:
    """What torch keeps of a GPU.

    poisoned: a capture failed, and the pool that it allocated from is still open, as torch 2.11 leaves it
    """

    def __init__(self) -> None:
        self.poisoned = False
        self.pools: list[Any] = []  # one a capture
        self.captures = self.replays = 0
        self.is_capturing = False
        self.modes: list[str] = []  # for finding waits, as they were set
        self._finding = RefusedWaits()  # type: ignore[no-untyped-call, unused-ignore]

    def set_sync_debug_mode(self, mode: str) -> None:
        self.modes.append(mode)
        if mode == "error":
            self._finding.__enter__()  # type: ignore[no-untyped-call, unused-ignore]
        else:
            self._finding.__exit__(None, None, None)  # type: ignore[no-untyped-call, unused-ignore]

    def empty_cache(self) -> None:
        if self.poisoned:
            raise RuntimeError(POISONED)

    def end_allocate_to_pool(self, device: int, pool: Any) -> None:
        if not self.poisoned or pool != self.pools[-1]:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.poisoned = False


class RecordedGraph:
    """Stands for torch.cuda.CUDAGraph."""

    gpu: Gpu

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, dict[str, Any], Any]] = []
        self.generators: list[Generator] = []

    def register_generator_state(self, generator: Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        self.gpu.replays += 1
        with torch.no_grad():
            for func, args, kwargs, outputs in self.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(outputs), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Capture(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Stands for torch.cuda.graph. An operation that waits for the device fails."""

    gpu: Gpu

    @classmethod
    def is_infra_mode(cls) -> bool:
        """That torch.compile works within this mode as without it."""
        return True

    def __init__(self, graph: RecordedGraph, pool: Any = None, capture_error_mode: str = "global") -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self._graph, self._pool = graph, pool
        self._kept: dict[int, tuple[Any, Any]] = {}  # what the operations found, by address
        self._made: set[int] = set()

    def __enter__(self) -> Any:
        self.gpu.empty_cache()
        self.gpu.captures += 1
        self.gpu.is_capturing = True
        self.gpu.pools.append(self._pool)
        self._drawn = [generator.get_state() for generator in self._graph.generators]
        return super().__enter__()  # type: ignore[no-untyped-call, unused-ignore]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call, unused-ignore]
        self.gpu.is_capturing = False
        for storage, content in self._kept.values():
            storage.copy_(content)
        for generator, state in zip(self._graph.generators, self._drawn, strict=True):
            generator.set_state(state)
        if error[0] is not None:
            self.gpu.poisoned = True
            raise RuntimeError(CAPTURE_FAILED)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(word in str(func) for word in WAITING):
            raise RuntimeError(f"{func} is not permitted when the stream is capturing")
        for address, storage in _storages((args, kwargs)).items():
            if address not in self._made and address not in self._kept:
                self._kept[address] = storage, storage.clone()
        outputs = func(*args, **(kwargs or {}))
        self._made.update(_storages(outputs).keys() - self._kept.keys())
        self._graph.operations.append((func, args, kwargs or {}, outputs))
        return outputs


def _storages(values: Any) -> dict[int, Any]:
    """The memory of all tensors in there, by its address."""
    tensors = [value for value in tree_leaves(values) if isinstance(value, Tensor)]
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}


class DefaultGenerator:
    def clone_state(self) -> None:
        pass

    def graphsafe_set_state(self, state: None) -> None:
        pass


class Stream:
    def wait_stream(self, other: "Stream") -> None:
        pass


def stand_for_cuda(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """Put recorded graphs in the place of CUDA's."""
    gpu = Gpu()
    monkeypatch.setattr(RecordedGraph, "gpu", gpu, raising=False)
    monkeypatch.setattr(Capture, "gpu", gpu, raising=False)
    stream = Stream()
    stands = {
        "CUDAGraph": RecordedGraph,
        "graph": Capture,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "set_stream": lambda stream: None,
        "stream": lambda stream: contextlib.nullcontext(),
        "current_device": lambda: 0,
        "default_generators": (DefaultGenerator(),),
        "empty_cache": gpu.empty_cache,
        "graph_pool_handle": object,
        "set_sync_debug_mode": gpu.set_sync_debug_mode,
    }
    for name, stand in stands.items():
        monkeypatch.setattr(torch.cuda, name, stand)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", gpu.end_allocate_to_pool, raising=False)
    return gpu
