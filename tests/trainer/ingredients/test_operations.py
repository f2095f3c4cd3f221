"""What the policies draw from, against torchvision's tables and PIL's operations."""

from typing import Any

import pytest
import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide

from tests.trainer.pictures import pictures
from trainer import image_ops
from trainer.ingredients import _operations as operations

SIZE = 32
TABLES: list[tuple[operations.Reach, int, dict[str, Any]]] = [
    (
        operations.NARROW,
        9,
        AutoAugment(AutoAugmentPolicy.CIFAR10)._augmentation_space(10, (SIZE, SIZE)),
    ),
    (operations.NARROW, 30, RandAugment()._augmentation_space(31, (SIZE, SIZE))),
    (operations.WIDE, 30, TrivialAugmentWide()._augmentation_space(31)),
]


@pytest.mark.parametrize(("reach", "greatest", "table"), TABLES, ids=["auto", "rand", "trivial"])
def test_the_magnitudes_are_torchvision_s_for_every_operation(
    reach: operations.Reach, greatest: int, table: dict[str, Any]
) -> None:
    names = {name.replace("_", ""): name for name in operations.OPERATIONS} | {"identity": "none"}
    for their_name, (magnitudes, signed) in table.items():
        name = names[their_name.lower()]
        for sign in (-1, 1) if signed else (1,):
            ours = [reach.strength(name, step / greatest, sign) for step in range(greatest + 1)]
            theirs = sign * magnitudes.expand(greatest + 1).double()
            theirs = theirs / SIZE if "Translate" in their_name else theirs  # theirs are pixels
            around_one = name in ("brightness", "color", "contrast", "sharpness")  # added to one there
            torch.testing.assert_close(
                torch.tensor(ours).double(), theirs + around_one, atol=1e-4, rtol=1e-6, msg=their_name
            )


def test_the_usual_operations_are_those_of_torchvision_s_rand_augment() -> None:
    theirs = RandAugment()._augmentation_space(31, (SIZE, SIZE))
    ours = {name.replace("_", "").replace("none", "identity") for name in operations.USUAL}
    assert ours == {name.lower() for name in theirs}
    assert len(operations.USUAL) == len(theirs)


def test_each_image_is_changed_by_the_operation_that_it_drew() -> None:
    names = (*operations.OPERATIONS, "none") * 4
    images = pictures(len(names))
    strength = torch.full((len(names),), 0.3)
    strength[operations.to_indices(names, images.device) == names.index("posterize")] = 3.0
    after = operations.apply(images, operations.to_indices(names, images.device), strength)
    for number, name in enumerate(names):
        alone = images[number : number + 1]
        if name != "none":
            alone = getattr(image_ops, name)(alone, strength[number : number + 1])
        assert torch.equal(after[number : number + 1], alone), name
