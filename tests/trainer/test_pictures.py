"""What a file of an image comes out as, held against the same picture in 8-bit RGB."""

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from tests.trainer.image_files import COLOUR, COLOUR_ALPHA, GREY, GREY_ALPHA, png, tiff
from trainer.data import _pictures

SIZE = 16
DOWN, ACROSS = np.mgrid[0:SIZE, 0:SIZE]
GREYS = (ACROSS * 17).astype(np.uint8)
ALPHA = (DOWN * 17).astype(np.uint8)
COLOURS = np.stack([ACROSS * 8 + 60, DOWN * 8 + 60, (ACROSS + DOWN) * 4 + 60], -1).astype(np.uint8)
RGB = Image.fromarray(COLOURS)
BEHIND = 128  # of what is transparent

Shown = NDArray[np.uint8] | NDArray[np.float64]


def grey(levels: NDArray[Any]) -> NDArray[Any]:
    """The same in three channels."""
    return np.repeat(levels[..., None], 3, -1)


def over(colours: NDArray[Any], alpha: NDArray[Any]) -> NDArray[np.float64]:
    """What is seen of colours [H, W, 3] before the background, alpha in 0..255."""
    share = alpha[..., None] / 255
    return np.asarray(colours * share + BEHIND * (1 - share), np.float64)


def read(path: Path, content: bytes | None = None) -> NDArray[np.int64]:
    """The picture in a file, which is written first where its content is given."""
    if content is not None:
        path.write_bytes(content)
    return _pictures.decode_square(path, SIZE, "crop").astype(np.int64)


def apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest difference of two pictures, of 255."""
    return float(np.abs(one - other).max())


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_alpha(image: Image.Image) -> Image.Image:
    whole = image.copy()
    whole.putalpha(Image.fromarray(ALPHA))
    return whole


def palette(image: Image.Image) -> tuple[Image.Image, NDArray[Any]]:
    """The image by 256 colours, and those that are seen."""
    few = image.quantize(256)
    return few, np.asarray(few.convert("RGB"))


OPAQUE: dict[str, Callable[[], Image.Image]] = {
    "RGB": lambda: RGB,
    "RGBX": lambda: RGB.convert("RGBX"),
    "CMYK": lambda: RGB.convert("CMYK"),
    "YCbCr": lambda: RGB.convert("YCbCr"),
    "HSV": lambda: RGB.convert("HSV"),
    "LAB": lambda: RGB.convert("LAB"),
}
ROUNDED = {"YCbCr": 3, "HSV": 5, "LAB": 12}  # what 8 bits of the mode itself cannot tell apart


@pytest.mark.parametrize("mode", OPAQUE)
def test_colours_of_every_mode_are_those_of_rgb(mode: str) -> None:
    assert apart(np.asarray(_pictures.to_rgb(OPAQUE[mode]())).astype(int), COLOURS) <= ROUNDED.get(mode, 0)


@pytest.mark.parametrize("mode", ["LA", "La", "RGBA", "RGBa", "PA"])
def test_what_is_transparent_is_on_the_background_in_every_mode(mode: str) -> None:
    shown = COLOURS if mode.startswith("RGB") else grey(GREYS)
    image = with_alpha(RGB) if mode.startswith("RGB") else with_alpha(Image.fromarray(GREYS))
    if mode in ("La", "RGBa"):
        image = image.convert(mode)
    if mode == "PA":
        few, shown = palette(RGB)
        image = with_alpha(few)
    assert image.mode == mode
    assert apart(np.asarray(_pictures.to_rgb(image)).astype(int), over(shown, ALPHA)) < 2


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I;16N"])
def test_16_bits_keep_all_their_levels_in_every_byte_order(mode: str) -> None:
    order = ">u2" if mode == "I;16B" else "<u2"
    image = Image.frombytes(mode, (SIZE, SIZE), (GREYS * np.uint16(257)).astype(order).tobytes(), "raw", mode)
    assert apart(np.asarray(_pictures.to_rgb(image)).astype(int), grey(GREYS)) == 0


def test_a_png_of_16_bits_is_read_whether_pillow_opens_it_as_16_or_as_32() -> None:
    image = Image.open(io.BytesIO(png(GREYS * np.uint16(257), GREY, 16)))
    assert apart(np.asarray(_pictures.to_rgb(image)).astype(int), grey(GREYS)) == 0
    older = Image.fromarray(GREYS.astype(np.int32) * 257)  # as versions before 11.3 open it
    assert older.mode == "I"
    older.format = "PNG"
    assert apart(np.asarray(_pictures.to_rgb(older)).astype(int), grey(GREYS)) == 0


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "tiff", "webp", "jpeg"])
def test_grey_and_colours_of_every_kind_of_file_are_read(kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"webp": {"lossless": True}, "jpeg": {"quality": 100, "subsampling": 0}}
    rounded = 3 if kind == "jpeg" else 0
    greys = saved(Image.fromarray(GREYS), kind, **options.get(kind, {}))
    assert apart(read(tmp_path / "grey.png", greys), grey(GREYS)) <= rounded
    image, colours = palette(RGB) if kind == "gif" else (RGB, COLOURS)
    assert apart(read(tmp_path / "x.png", saved(image, kind, **options.get(kind, {}))), colours) <= rounded


@pytest.mark.parametrize("kind", ["png", "tiff", "bmp", "gif"])
def test_black_and_white_of_one_bit_is_black_and_white(kind: str, tmp_path: Path) -> None:
    bits = GREYS > 100
    assert apart(read(tmp_path / "x.png", saved(Image.fromarray(bits), kind)), grey(bits * 255)) == 0


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_palette_with_one_transparent_colour_shows_the_background_there(kind: str, tmp_path: Path) -> None:
    few, colours = palette(RGB)
    hidden = int(np.asarray(few)[3, 4])
    seen = np.where(np.asarray(few) == hidden, 0, 255)
    content = saved(few, kind, transparency=hidden)
    assert apart(read(tmp_path / "x.png", content), over(colours, seen)) < 1


def test_a_palette_with_an_alpha_of_each_colour_shows_the_background_through_it(tmp_path: Path) -> None:
    few, colours = palette(RGB)
    alphas = bytes(range(256))
    content = saved(few, "png", transparency=alphas)
    assert apart(read(tmp_path / "x.png", content), over(colours, np.asarray(few))) < 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_level_of_a_grey_png_is_found_at_every_depth(bits: int, tmp_path: Path) -> None:
    most = 2**bits - 1
    levels = (ACROSS * most) // (SIZE - 1)
    hidden = most  # white
    content = png(levels, GREY, bits, struct.pack(">H", hidden))
    shown = over(grey(levels * 255 / most), np.where(levels == hidden, 0, 255))
    assert apart(read(tmp_path / "x.png", content), shown) <= 0.5


def test_the_transparent_colour_of_a_png_shows_the_background(tmp_path: Path) -> None:
    hidden = COLOURS[2, 3]
    content = png(COLOURS, COLOUR, 8, struct.pack(">HHH", *hidden.tolist()))
    seen = np.where((hidden == COLOURS).all(-1), 0, 255)
    assert apart(read(tmp_path / "x.png", content), over(COLOURS, seen)) == 0


def test_pngs_of_16_bits_a_channel_are_those_of_8(tmp_path: Path) -> None:
    deep, alpha = COLOURS * np.uint16(257), ALPHA[..., None] * np.uint16(257)
    assert apart(read(tmp_path / "rgb.png", png(deep, COLOUR, 16)), COLOURS) == 0
    both = png(np.concatenate([deep, alpha], -1), COLOUR_ALPHA, 16)
    assert apart(read(tmp_path / "rgba.png", both), over(COLOURS, ALPHA)) < 1
    greys = np.concatenate([GREYS[..., None] * np.uint16(257), alpha], -1)
    assert apart(read(tmp_path / "la.png", png(greys, GREY_ALPHA, 16)), over(grey(GREYS), ALPHA)) < 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiffs_of_16_bits_are_those_of_8_and_white_may_be_zero(order: str, tmp_path: Path) -> None:
    deep = (GREYS * np.uint16(257)).astype(f"{order}u2")
    assert apart(read(tmp_path / "x.tif", tiff(deep, 16, order)), grey(GREYS)) == 0
    colours = (COLOURS * np.uint16(257)).astype(f"{order}u2")
    assert apart(read(tmp_path / "c.tif", tiff(colours, 16, order, photometric=2)), COLOURS) == 0
    if order == "<":  # Pillow opens no other
        inverse = tiff(np.uint16(65535) - deep, 16, photometric=0)
        assert apart(read(tmp_path / "white.tif", inverse), grey(GREYS)) == 0


def test_a_tiff_of_12_bits_is_as_bright_as_one_of_8(tmp_path: Path) -> None:
    deep = np.rint(GREYS / 255 * 4095).astype(np.uint16)
    assert apart(read(tmp_path / "x.tif", tiff(deep, 12)), grey(GREYS)) == 0


def test_the_alpha_of_a_tiff_may_have_darkened_its_colours(tmp_path: Path) -> None:
    darkened = np.rint(COLOURS * (ALPHA[..., None] / 255)).astype(np.uint8)
    content = tiff(np.concatenate([darkened, ALPHA[..., None]], -1), 8, photometric=2, extra_samples=1)
    assert apart(read(tmp_path / "x.tif", content), over(COLOURS, ALPHA)) < 2


@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_inks_are_seen_as_light_also_where_adobe_stores_them_inverted(kind: str, tmp_path: Path) -> None:
    options = {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
    assert apart(read(tmp_path / "x.jpg", saved(RGB.convert("CMYK"), kind, **options)), COLOURS) <= 3


def test_a_cmyk_jpeg_that_does_not_say_whether_it_is_inverted_is_refused(tmp_path: Path) -> None:
    content = saved(RGB.convert("CMYK"), "jpeg")
    start = content.index(b"\xff\xee")
    length = int.from_bytes(content[start + 2 : start + 4], "big")
    with pytest.raises(_pictures.Unreadable, match="CMYK"):
        read(tmp_path / "x.jpg", content[:start] + content[start + 2 + length :])


@pytest.mark.parametrize("kind", ["gif", "webp", "tiff", "mpo", "png"])
def test_of_several_pictures_in_a_file_the_first_is_read(kind: str, tmp_path: Path) -> None:
    first, colours = palette(RGB) if kind == "gif" else (RGB, COLOURS)
    others = [Image.new("RGB", (SIZE, SIZE), "red"), Image.new("RGB", (SIZE, SIZE), "blue")]
    options: dict[str, Any] = {"webp": {"lossless": True}, "mpo": {"quality": 100, "subsampling": 0}}
    content = saved(first, kind, save_all=True, append_images=others, **options.get(kind, {}))
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == 3
    assert apart(read(tmp_path / "x.jpg", content), colours) <= (3 if kind == "mpo" else 0)


TURNED: dict[
    int, Callable[[Image.Image], Image.Image]
] = {  # what a camera stores and tags so that it is seen as it was
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_a_photograph_is_upright_however_the_camera_was_held(
    orientation: int, kind: str, tmp_path: Path
) -> None:
    wide = Image.fromarray(np.concatenate([COLOURS, COLOURS[:, ::-1] // 2], 1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"webp": {"lossless": True}, "jpeg": {"quality": 100, "subsampling": 0}}
    content = saved(TURNED[orientation](wide), kind, exif=exif, **options.get(kind, {}))
    upright = saved(wide, "png")
    assert apart(read(tmp_path / "x.jpg", content), read(tmp_path / "y.png", upright)) <= (kind == "jpeg") * 4


def test_a_photograph_of_16_bits_is_turned_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.rot90(GREYS * np.uint16(257)).copy())
    assert apart(read(tmp_path / "x.png", saved(deep, "png", exif=exif)), grey(GREYS)) == 0


def test_a_wide_picture_is_cropped_padded_or_squashed_about_its_middle(tmp_path: Path) -> None:
    bands = np.repeat(np.array([10, 200, 200, 90], np.uint8), SIZE // 2)  # from left to right, 2:1
    Image.fromarray(np.tile(bands, (SIZE, 1))).save(tmp_path / "wide.png")
    cropped, padded, squashed = (
        _pictures.decode_square(tmp_path / "wide.png", SIZE, fit)[..., 0] for fit in ("crop", "pad", "squash")
    )
    assert set(cropped.ravel()) == {200}
    assert set(padded[: SIZE // 4].ravel()) == set(padded[-SIZE // 4 :].ravel()) == {BEHIND}
    assert padded[SIZE // 2, 0] == squashed[0, 0] == 10
    assert padded[SIZE // 2, -1] == squashed[-1, -1] == 90


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_the_thinnest_picture_is_made_a_square(fit: Any, tmp_path: Path) -> None:
    Image.new("RGB", (5000, 1), (7, 7, 7)).save(tmp_path / "thin.png")
    assert _pictures.decode_square(tmp_path / "thin.png", SIZE, fit)[SIZE // 2 - 1, 0, 0] in (7, BEHIND)


def float_tiff() -> bytes:
    return tiff(GREYS.astype(np.float32), 32, sample_format=3)


NOT_READ: dict[str, Callable[[], bytes]] = {
    "floats": float_tiff,
    "32 bits": lambda: tiff(GREYS.astype(np.uint32), 32),
    "signed 16 bits": lambda: tiff(GREYS.astype(np.int16), 16, sample_format=2),
    "signed 8 bits": lambda: tiff(GREYS.astype(np.int8), 8, sample_format=2),
    "16 bits with a transparent colour": lambda: png(COLOURS * np.uint16(257), COLOUR, 16, b"\0\1\0\1\0\1"),
    "a program in PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "nothing": lambda: b"",
    "text": lambda: b"a cat",
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_cannot_be_read_rightly_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(_pictures.Unreadable):
        read(tmp_path / "x.png", NOT_READ[name]())


@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("order", ["<", ">"])
def test_other_numbers_of_channels_are_refused_in_words(channels: int, order: str, tmp_path: Path) -> None:
    pixels = np.zeros((SIZE, SIZE, channels), np.uint8)
    with pytest.raises(_pictures.Unreadable, match="networks take three channels"):
        read(tmp_path / "x.tif", tiff(pixels, 8, order))


def test_the_sides_of_a_picture_are_read_without_decoding_it(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(large_photo()[:2000])
    assert _pictures.read_shorter_side(tmp_path / "x.jpg") == 300
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(_pictures.Unreadable):
        _pictures.read_shorter_side(tmp_path / "x.jpg")


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
def test_a_picture_that_is_cut_off_is_refused(kind: str, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = saved(noise, kind)
    for share in (0.3, 0.9):
        with pytest.raises(_pictures.Unreadable):
            read(tmp_path / "x.png", content[: int(share * len(content))])


@given(
    kind=st.sampled_from(["png", "jpeg", "gif", "bmp", "webp", "tiff"]),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_whatever_bytes_are_wrong_a_picture_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(saved(RGB, kind))
    for place, value in changes:
        content[place % len(content)] = value
    with suppress(_pictures.Unreadable):
        assert read(tmp_path_factory.getbasetemp() / "damaged.png", bytes(content)).shape == (SIZE, SIZE, 3)


def test_a_small_file_of_very_many_pixels_is_refused(tmp_path: Path) -> None:
    size = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(size)) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    whole = png(GREYS, GREY, 8)
    gif = b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0x80, 0, 0) + bytes(6)
    gif += b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\2\2\x4c\1\0;"
    for content in (whole[:8] + chunk + whole[8 + len(chunk) :], gif):
        with pytest.raises(_pictures.Unreadable, match="pixels"):
            read(tmp_path / "x.png", content)


def large_photo(orientation: int = 1, mode: str = "RGB") -> bytes:
    """Coloured areas in 400 x 300 pixels as a JPEG."""
    image = RGB.resize((400, 300), Image.Resampling.BICUBIC).convert(mode)
    exif = Image.Exif()
    exif[274] = orientation
    return saved(image, "jpeg", quality=95, exif=exif)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_looks_the_same_by_both_versions_of_the_rules(
    mode: str, orientation: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(large_photo(orientation, mode))
    whole, reduced = (_pictures.decode_square(path, SIZE, "crop", rules).astype(np.int64) for rules in (2, 3))
    assert 0 < apart(whole, reduced) < 6
    with Image.open(path) as image:
        assert apart(whole, np.asarray(_pictures.make_square(_pictures.to_rgb(image), SIZE, "crop"))) == 0


def test_a_jpeg_is_decoded_at_a_fraction_of_its_size_that_is_at_least_twice_the_square(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(large_photo())
    sides = {size: _pictures.decode(path, _pictures.least_side(size, 3)).size for size in (16, 37, 38, 76)}
    assert sides == {16: (50, 38), 37: (100, 75), 38: (200, 150), 76: (400, 300)}
    path.write_bytes(saved(RGB.resize((400, 300)), "png"))
    assert _pictures.decode(path, 32).size == (400, 300)


def test_a_large_jpeg_that_is_cut_off_is_refused_at_any_size(tmp_path: Path) -> None:
    content = large_photo()
    path = tmp_path / "x.jpg"
    path.write_bytes(content[: len(content) // 2])
    for rules in (2, 3):
        with pytest.raises(_pictures.Unreadable, match="truncated"):
            _pictures.decode_square(path, SIZE, "crop", rules)
