"""What holds for every ingredient that changes images, whatever it does to them."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import RandomCrop

from tests.trainer.pictures import draw, pictures
from trainer import ingredients
from trainer.ingredients import BatchImages, BatchInputs, Draw, EpochImages, Mixing, Policy

IN_A_STEP = (BatchImages, BatchInputs, Mixing)
CHANGES = [n for n in ingredients.names() if issubclass(ingredients.load(n), (*IN_A_STEP, EpochImages))]
CAPTURED = [name for name in CHANGES if issubclass(ingredients.load(name), IN_A_STEP)]
FEW_OUTCOMES = ("flip", "alternating_flip", "grayscale")  # an image comes back as one of two
# a crop has 81 places, a sub-policy few outcomes, a policy some that change nothing; CutMix leaves half
FEWEST = {"crop": 60, "auto_augment": 50, "rand_augment": 150, "trivial_augment": 140, "cutmix": 100}
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")


def changed(name: str, images: Tensor, by: Draw) -> Tensor:
    """uint8 images under an ingredient at its usual strengths; what mixes gets labels in turn."""
    ingredient = ingredients.build(name, {})
    if isinstance(ingredient, Mixing):
        return ingredient(
            images.float(),
            torch.eye(10, device=images.device).repeat(len(images) // 10 + 1, 1)[: len(images)],
            by,
        )[0]
    if isinstance(ingredient, BatchInputs):
        return ingredient(images.float(), by)
    assert isinstance(ingredient, BatchImages | EpochImages)
    return ingredient(images, by)


def distinct(images: Tensor) -> int:
    return len(torch.unique(images.flatten(1), dim=0))


class Forbidden(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses what makes the host wait for the device, and what depends on a value."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        values = [part for index in args[1:2] if isinstance(index, list | tuple) for part in index]
        masked = name == "index" and any(getattr(part, "dtype", None) == torch.bool for part in values)
        assert name not in WAITS, f"{name} waits for the device"
        assert not masked, "an index of truths has a size that depends on values"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", CHANGES)
def test_256_copies_of_an_image_come_back_different(name: str) -> None:
    copies = pictures(1).expand(256, -1, -1, -1)
    if issubclass(ingredients.load(name), Mixing):  # copies mixed are copies: two images in turn
        copies = pictures(2).repeat(128, 1, 1, 1)
    different = distinct(changed(name, copies, draw()))
    assert different == 2 if name in FEW_OUTCOMES else different > FEWEST.get(name, 200)


def test_one_draw_for_a_whole_batch_would_be_seen() -> None:
    assert distinct(RandomCrop(32, padding=4)(pictures(1).expand(256, -1, -1, -1))) == 1


@pytest.mark.parametrize("name", [n for n in CHANGES if issubclass(ingredients.load(n), Policy)])
def test_256_copies_under_a_policy_and_a_crop_come_back_different(name: str) -> None:
    by = draw()
    images = changed(name, pictures(1).expand(256, -1, -1, -1), by)
    assert distinct(changed("crop", images, by)) > 200


@pytest.mark.parametrize("name", CHANGES)
def test_images_keep_their_shape_and_type(name: str) -> None:
    images = pictures(40, 16)
    after = changed(name, images, draw())
    assert after.shape == images.shape
    assert after.dtype in (torch.uint8, torch.float32)


@pytest.mark.parametrize("name", CHANGES)
def test_a_generator_s_seed_alone_decides_the_changes(name: str) -> None:
    images = pictures(64)
    torch.manual_seed(1)
    once = changed(name, images, draw(seed=3))
    torch.manual_seed(2)
    assert torch.equal(once, changed(name, images, draw(seed=3)))
    assert not torch.equal(once, changed(name, images, draw(seed=4)))


@pytest.mark.parametrize("name", CHANGES)
def test_the_images_given_are_left_as_they_were(name: str) -> None:
    images = pictures(64)
    before = images.clone()
    changed(name, images, draw())
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", CAPTURED)
def test_what_runs_in_a_step_never_waits_for_the_device(name: str) -> None:
    images, by = pictures(32), draw(0.5)
    with Forbidden():  # type: ignore[no-untyped-call]
        changed(name, images, by)


def test_waiting_for_the_device_would_be_seen() -> None:
    numbers = torch.arange(4)
    for waiting in (lambda: numbers[numbers > 1], lambda: numbers.sum().item(), lambda: numbers.nonzero()):
        with Forbidden(), pytest.raises(AssertionError):  # type: ignore[no-untyped-call]
            waiting()


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.*register_generator_state")  # newer torch needs it no more
@pytest.mark.parametrize("name", CAPTURED)
def test_a_captured_change_draws_anew_at_each_replay(name: str) -> None:
    images = pictures(2).repeat(64, 1, 1, 1).cuda()
    by = draw(0.2)
    by = Draw(torch.Generator("cuda").manual_seed(0), by.progress.cuda(), by.mirrored)
    changed(name, images, by)  # what is set up at the first call cannot be captured
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(by.generator)
    with torch.cuda.graph(graph):
        captured = changed(name, images, by)
    graph.replay()
    once = captured.clone()
    graph.replay()
    assert not torch.equal(once, captured)
