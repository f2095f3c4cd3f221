import pytest
import torch

from tests.trainer.pictures import draw, pictures
from trainer import image_ops
from trainer.ingredients.rand_augment import RandAugment


def test_it_does_as_many_operations_as_it_is_told() -> None:
    images = pictures(300)
    one, four = (
        int((RandAugment(operations=number)(images, draw()) == images).flatten(1).all(1).sum())
        for number in (1, 4)
    )
    assert one > 10 > four


def test_a_magnitude_of_nothing_leaves_all_but_what_has_no_magnitude() -> None:
    images = pictures(400)
    after = RandAugment(operations=1, magnitude=0)(images, draw())
    white = torch.full((400,), 255.0)  # is what solarize still inverts, as PIL's does
    expected = [
        images,
        *(getattr(image_ops, n)(images, white) for n in ("solarize", "autocontrast", "equalize")),
    ]
    found = torch.stack([(after == outcome).flatten(1).all(1) for outcome in expected])
    assert bool(found.any(0).all())
    assert bool(found.any(1).all())


@pytest.mark.parametrize(("strength", "value"), [("operations", 0), ("magnitude", 31)])
def test_a_strength_out_of_range_is_refused_by_name(strength: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{strength} must be at least .* and at most .*, not {value}"):
        RandAugment(**{strength: value})
