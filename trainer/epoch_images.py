"""The augmented images of each epoch: on a GPU, those of the next epoch while this one trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from trainer.objective import TrainingObjective


class EpochImages:
    """Augments all training images once an epoch.

    generator: what the images are drawn from, unless they are drawn ahead
    ahead: whether an epoch's images may be drawn before it begins, on a stream of their own. Their random
        numbers then come from a generator of their own, so that they are the same whenever they are drawn.
    """

    def __init__(self, objective: TrainingObjective, generator: Generator, seed: int, ahead: bool) -> None:
        self._objective, self._seed = objective, seed
        self._generator = _derive(objective.device.torch_device, seed) if ahead else generator
        self._stream = torch.cuda.Stream() if ahead else None  # type: ignore[no-untyped-call, unused-ignore]
        # what an epoch's images are drawn from, the random state and the progress, and the images
        self._next: tuple[dict[str, Any], Tensor] | None = None

    def draw_ahead(self, epoch: int, progress: float) -> None:
        """Draw the images of an epoch that is to begin at this progress, unless that is done."""
        if self._stream is not None and self._next is None:
            with torch.cuda.stream(self._stream):
                self._next = self._draw(epoch, progress)

    def take(self, epoch: int, progress: float) -> Tensor:
        """The images of an epoch that begins: uint8 [N, 3, S, S], at the network's full resolution."""
        is_ready = self._next is not None
        self._source, images = self._next or self._draw(epoch, progress)
        self._next = None
        if self._stream is not None:
            current = torch.cuda.current_stream()
            if is_ready:
                current.wait_stream(self._stream)
                images.record_stream(current)  # so that its memory is kept until the steps have read it
            else:
                self._stream.wait_stream(current)  # for what the first drawing leaves, such as tables
        return images

    def forget(self) -> None:
        """Free what was drawn ahead."""
        self._next = None

    def state_dict(self) -> dict[str, Any]:
        """From what the images of this epoch were drawn; empty if from the generator that was given."""
        return {} if self._stream is None else self._source

    def load_state_dict(self, state: dict[str, Any], epoch: int) -> None:
        """Draw the images of an epoch that was interrupted again, as they were; they are taken next."""
        self.forget()
        if self._stream is not None and state:
            self._generator.set_state(state["random"].cpu())
            self._next = self._draw(epoch, state["progress"])
            self._stream.wait_stream(torch.cuda.current_stream())

    def _draw(self, epoch: int, progress: float) -> tuple[dict[str, Any], Tensor]:
        source = {"random": self._generator.get_state(), "progress": progress}
        at = torch.full((), progress, device=self._objective.device.torch_device)
        draw = self._objective.draw(self._generator, at, self._seed, epoch)
        return source, self._objective.epoch_images(draw)


def _derive(device: torch.device, seed: int) -> Generator:
    """A generator whose numbers have nothing to do with those of the seed itself."""
    other = torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed))
    return Generator(device).manual_seed(int(other))
