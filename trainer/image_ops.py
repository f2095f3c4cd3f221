"""PIL's image operations on batches, each image with its own strength.

`images: [N, 3, S, S] uint8`, `strength: [N]` float. Results are uint8 of the same shape and equal PIL's pixel
by pixel (under test). Operations on values use a table of 256 entries per image and channel. Operations that
move pixels gather the nearest ones, and leave grey where there is none.
"""

import math

import torch
from torch import Tensor

_GREY = 128  # near the mean, which AutoAugment's own code uses


def shear_x(images: Tensor, strength: Tensor) -> Tensor:
    """Move row y sideways by strength * y pixels."""
    return _affine(images, (1.0, strength, 0.0, 0.0, 1.0, 0.0))


def shear_y(images: Tensor, strength: Tensor) -> Tensor:
    """Move column x up or down by strength * x pixels."""
    return _affine(images, (1.0, 0.0, 0.0, strength, 1.0, 0.0))


def translate_x(images: Tensor, strength: Tensor) -> Tensor:
    """Move sideways by strength, a fraction of the size."""
    return _affine(images, (1.0, 0.0, strength * images.shape[-1], 0.0, 1.0, 0.0))


def translate_y(images: Tensor, strength: Tensor) -> Tensor:
    """Move up or down by strength, a fraction of the size."""
    return _affine(images, (1.0, 0.0, 0.0, 0.0, 1.0, strength * images.shape[-1]))


def rotate(images: Tensor, strength: Tensor) -> Tensor:
    """Rotate counter-clockwise about the centre by strength degrees."""
    angle = -torch.deg2rad(strength.double())
    cos, sin = angle.cos(), angle.sin()
    centre = images.shape[-1] / 2
    shift_x, shift_y = centre - (cos + sin) * centre, centre - (cos - sin) * centre
    return _affine(images, (cos, sin, shift_x, -sin, cos, shift_y))


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    """From black (0) over unchanged (1) to brighter."""
    return _blend_by_table(images, torch.zeros_like(strength), strength)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    """From the image's mean grey (0) over unchanged (1) to more."""
    mean = (to_grey(images).float().mean((1, 2, 3)) + 0.5).floor()
    return _blend_by_table(images, mean, strength)


def color(images: Tensor, strength: Tensor) -> Tensor:
    """From grey (0) over unchanged (1) to more colourful."""
    return _blend(to_grey(images), images, strength)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """From smoothed (0) over unchanged (1) to sharper; the border pixels stay."""
    wide = images.to(torch.int16)
    rows = wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]
    weighed = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] + 4 * wide[:, :, 1:-1, 1:-1]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = (weighed.float() / 13 + 0.5).to(torch.uint8)  # 13 has no ties to round
    return _blend(smooth, images, strength)


def posterize(images: Tensor, strength: Tensor) -> Tensor:
    """Keep the `strength` highest bits."""
    mask = 256 - 2 ** (8 - strength.to(torch.int64))
    return images & mask.to(torch.uint8)[:, None, None, None]


def solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Invert the values from `strength` up."""
    return torch.where(images < strength[:, None, None, None], images, 255 - images)


def invert(images: Tensor, strength: Tensor) -> Tensor:
    """255 minus the value. Ignores strength."""
    return 255 - images


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel to 0..255. Ignores strength."""
    low = images.amin((2, 3), keepdim=True)[..., 0].double()
    high = images.amax((2, 3), keepdim=True)[..., 0].double()
    scale = torch.full_like(low, 255) / (high - low).clamp(min=1)  # `255 / x` would be rounded twice
    values = _values(images)
    tables = (values * scale - low * scale).trunc().clamp(0, 255)
    return _apply_tables(images, torch.where(high > low, tables, values))


def equalize(images: Tensor, strength: Tensor) -> Tensor:
    """Equalize each channel's histogram. Ignores strength."""
    flat = images.flatten(2).long()
    histogram = torch.zeros(*flat.shape[:2], 256, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(2, flat, torch.ones_like(flat))
    highest = images.amax((2, 3)).long()[..., None]
    step = (flat.shape[2] - histogram.gather(2, highest)) // 255
    before = histogram.cumsum(2) - histogram
    tables = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _apply_tables(images, torch.where(step > 0, tables, _values(images).long()))


def gather_pixels(images: Tensor, where: Tensor) -> Tensor:
    """Take each pixel from index row * S + column of its own image, given by `where` [N, S, S]."""
    places = where.flatten(1).long()[:, None, :].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, places).view(images.shape)


def to_grey(images: Tensor) -> Tensor:
    """PIL's conversion to grey, uint8 [N, 1, S, S]."""
    red, green, blue = images.to(torch.int32).unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8)[:, None]


def _values(images: Tensor) -> Tensor:
    return torch.arange(256, device=images.device, dtype=torch.float64)


def _blend_by_table(images: Tensor, base: Tensor, strength: Tensor) -> Tensor:
    base, strength = base[:, None, None], strength[:, None, None]
    tables = (base + strength * (_values(images).float() - base)).trunc().clamp(0, 255)
    return _apply_tables(images, tables.expand(-1, 3, 256))


def _apply_tables(images: Tensor, tables: Tensor) -> Tensor:
    """Map each value by the table [N, 3, 256] of its image and channel."""
    return tables.to(torch.uint8).gather(2, images.flatten(2).long()).view_as(images)


def _blend(base: Tensor, images: Tensor, strength: Tensor) -> Tensor:
    """PIL's Image.blend: base + strength * (images - base), truncated, not rounded."""
    base = base.float()
    return (base + strength[:, None, None, None] * (images - base)).clamp(0, 255).to(torch.uint8)


def _affine(images: Tensor, data: tuple[Tensor | float, ...]) -> Tensor:
    """PIL's affine transform in its arithmetic of 1/65536 pixels, with its six numbers.

    Pixel (x, y) comes from (a x + b y + c, d x + e y + f).
    """
    a, b, c, d, e, f = data
    size = images.shape[-1]
    grid = torch.arange(size, device=images.device, dtype=torch.int32)
    x, y = grid[None, None, :], grid[None, :, None]
    column = (_to_fixed_point(a) * x + _to_fixed_point(b) * y + _to_fixed_point(c + (a + b) / 2)) >> 16
    row = (_to_fixed_point(d) * x + _to_fixed_point(e) * y + _to_fixed_point(f + (d + e) / 2)) >> 16
    outside = ((column | row) < 0) | (column >= size) | (row >= size)
    moved = gather_pixels(images, (row * size + column).masked_fill_(outside, 0))
    return moved.masked_fill_(outside[:, None], _GREY)


def _to_fixed_point(value: Tensor | float) -> Tensor | int:
    """In units of 1/65536, rounded as PIL does; int32 [N, 1, 1] for one value per image."""
    if isinstance(value, Tensor):
        return (value.double() * 65536 + 0.5).floor().to(torch.int32)[:, None, None]
    return math.floor(value * 65536 + 0.5)
