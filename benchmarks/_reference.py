"""Training as the papers' code does it: images in PIL, one by one, in a data loader's processes; fp32, eager.

Plain PyTorch and torchvision, made for comparison. After the pipeline and the loop of the NOMAD paper's code
(sections 3.4 and 4.2), which follows the loop that most CIFAR-10 code in PyTorch has.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

_WARM_BATCHES = 10  # not counted: the loader's processes start, and fill what they keep ready
_HOLE = 16


class Reference:
    """A network and its loader. images: uint8 [N, S, S, 3]; labels: int64 [N]."""

    def __init__(
        self,
        network: nn.Module,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        device: torch.device,
        batch_size: int,
        workers: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._network, self._device, self._batch_size = network.to(device), device, batch_size
        self._loader = DataLoader(
            _Pictures(images, labels, _pipeline(images.shape[1])),
            batch_size=batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self._optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        self._batches = _endless(self._loader)

    def images_per_second(self, seconds: float) -> float:
        """Of training for at least so long, after some batches that are not counted."""
        for _ in range(_WARM_BATCHES):
            self._step(*next(self._batches))
        return self._rate(seconds, learning=True)

    def loader_images_per_second(self, seconds: float) -> float:
        """Of the loader alone."""
        for _ in range(_WARM_BATCHES):
            next(self._batches)
        return self._rate(seconds, learning=False)

    def _rate(self, seconds: float, learning: bool) -> float:
        began, done = self._clock(), 0
        while self._clock() - began < seconds:
            inputs, labels = next(self._batches)
            if learning:
                self._step(inputs, labels)
            done += 1
        return done * self._batch_size / (self._clock() - began)

    def _step(self, inputs: Tensor, labels: Tensor) -> float:
        inputs, labels = inputs.to(self._device), labels.to(self._device)
        self._optimizer.zero_grad()
        loss = F.cross_entropy(self._network(inputs), labels)
        torch.autograd.backward(loss)
        self._optimizer.step()
        return loss.item()  # as the papers' loop does for its progress bar; it waits for the device


class _Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], change: Any) -> None:
        self._images, self._labels, self._change = images, labels, change

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._change(Image.fromarray(self._images[index])), int(self._labels[index])


def _pipeline(pixels: int) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomCrop(pixels, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10),
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
            _cut_out,
        ]
    )


def _cut_out(image: Tensor) -> Tensor:
    """A square of zeros at a random place of float [3, S, S], as cutout's first authors make it."""
    pixels = image.shape[1]
    row, column = np.random.randint(pixels), np.random.randint(pixels)
    mask = np.ones((pixels, pixels), np.float32)
    half = _HOLE // 2
    mask[max(row - half, 0) : row + half, max(column - half, 0) : column + half] = 0
    return image * torch.from_numpy(mask).expand_as(image)


def _endless(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader
