"""Images on the device: their normalisation, and what it costs to find."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.pictures import pictures
from trainer import images


class Wide(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Measures the most bytes that tensors of floating-point numbers hold at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.bytes = self.most_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.is_floating_point():
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


@pytest.mark.parametrize("prepare", [images.compute_normalisation, lambda held: images.resize(held, 64)])
def test_preparing_images_takes_as_much_memory_whatever_their_number_and_size(
    prepare: Callable[[Tensor], object],
) -> None:
    with Wide() as wide:
        prepare(torch.zeros(1, 3, 128, 128, dtype=torch.uint8).expand(512, -1, -1, -1))
    assert wide.most_bytes < 3.1 * 64 * 2**20, "the images are 200 MB as doubles"


def test_images_that_are_prepared_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    held = pictures(50)
    at_once, resized = images.compute_normalisation(held), images.resize(held, 24)
    monkeypatch.setattr(images, "_CHUNK_BYTES", 7 * held[0].numel() * 8)
    in_parts = images.compute_normalisation(held)
    assert torch.equal(at_once.mean, in_parts.mean)
    assert torch.equal(at_once.deviation, in_parts.deviation)
    assert torch.equal(resized, images.resize(held, 24))
