"""Images on the device: their normalisation, and what it costs to find."""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.pictures import pictures
from trainer import images


class Doubles(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Measures the most bytes that tensors in double precision hold at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.bytes = self.most_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.dtype == torch.float64:
            self._count(made.nbytes)
            weakref.finalize(made, self._count, -made.nbytes)
        return made

    def _count(self, more: int) -> None:
        self.bytes += more
        self.most_bytes = max(self.most_bytes, self.bytes)


def test_normalised_images_have_mean_0_and_deviation_1_a_channel() -> None:
    held = pictures(50)
    inputs = images.compute_normalisation(held)(held)
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_flat_set_of_images_stays_finite() -> None:
    held = torch.full((4, 3, 8, 8), 7, dtype=torch.uint8)
    assert not images.compute_normalisation(held)(held).any()


def test_the_memory_for_finding_it_does_not_grow_with_the_images() -> None:
    def most_bytes(count: int) -> int:
        with Doubles() as doubles:
            images.compute_normalisation(torch.zeros(1, 3, 2, 2, dtype=torch.uint8).expand(count, -1, -1, -1))
        most: int = doubles.most_bytes
        return most

    assert most_bytes(40_000) < 1.1 * most_bytes(10_000)
