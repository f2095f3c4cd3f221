"""Pictures are decoded when they are asked for and then kept; harm to a cache changes none of them."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainer import data
from trainer.data import _decoded, _listing
from trainer.data._pictures import decode_square
from trainer.errors import InvalidConfig

SIZE, CLASSES, EACH = 8, ("ant", "wolf"), 5
ALL = len(CLASSES) * EACH


def save(path: Path, grey: int) -> None:
    Image.new("RGB", (SIZE, SIZE), (grey, grey, grey)).save(path, "bmp")  # of one size, whatever the grey


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> data.Source:
    """A folder of pictures that counts as old, with its cache in `cache`."""
    for place, name in enumerate(CLASSES):
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
        for number in range(EACH):
            save(tmp_path / "photos" / "train" / name / f"{number}.bmp", 100 * place + 10 * number)
    monkeypatch.setenv(_decoded.VARIABLE, str(10**6))
    monkeypatch.setattr(_decoded, "_RECENT_SECONDS", 0.0)
    return data.source(f"folder:{tmp_path}/photos", SIZE, tmp_path / "cache")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    names: list[str] = []
    really = decode_square

    def decode(path: Path, size: int, fit: data.Fit, rules: int) -> NDArray[np.uint8]:
        names.append(f"{path.parent.name}/{path.name}")
        return really(path, size, fit, rules)

    monkeypatch.setattr(_listing, "decode_square", decode)
    return names


def greys(source: data.Source, rows: list[int] | slice = slice(None)) -> list[int]:
    chosen = rows if isinstance(rows, slice) else np.array(rows, np.int64)
    found: list[int] = data.load(source).train_images[chosen][:, 0, 0, 0].tolist()
    return found


def kept_files(source: data.Source) -> list[Path]:
    return list((data.cache_folder(source) / "decoded").glob("*"))


EXPECTED = [0, 10, 20, 30, 40, 100, 110, 120, 130, 140]


def test_only_what_is_asked_for_is_decoded_and_each_picture_once(
    source: data.Source, decoded: list[str]
) -> None:
    assert greys(source, [7, 2]) == [120, 20]
    assert sorted(decoded) == ["ant/2.bmp", "wolf/2.bmp"]
    assert greys(source, [2, 3]) == [20, 30]
    assert sorted(decoded) == ["ant/2.bmp", "ant/3.bmp", "wolf/2.bmp"]
    assert greys(source) == greys(source) == EXPECTED
    assert len(decoded) == ALL


def test_a_picture_that_changed_is_decoded_anew_whatever_its_size_and_time(
    source: data.Source, decoded: list[str]
) -> None:
    assert greys(source) == EXPECTED
    path = (source.path or Path()) / "train" / "ant" / "0.bmp"
    before = path.stat()
    save(path, 77)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert greys(source) == [77, *EXPECTED[1:]]


def test_what_may_still_be_changing_is_not_kept(source: data.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_decoded, "_RECENT_SECONDS", 1000.0)
    assert greys(source) == EXPECTED
    assert kept_files(source) == []


def test_other_rules_sizes_and_fits_are_kept_apart(source: data.Source) -> None:
    others: list[dict[str, Any]] = [{"rules": 2}, {"image_size": 9}, {"fit": "pad"}]
    for changes in ({}, *others):
        named: dict[str, Any] = {"image_size": SIZE, "data_dir": source.data_dir, **changes}
        assert greys(data.source(str(source), **named)) == EXPECTED
    assert len(kept_files(source)) == 4


@pytest.mark.parametrize("harm", ["torn", "other bytes", "cut off", "empty", "removed"])
def test_harm_to_a_file_costs_another_decoding_and_nothing_else(
    source: data.Source, decoded: list[str], harm: str
) -> None:
    assert greys(source) == EXPECTED
    decoded.clear()
    [path] = kept_files(source)
    content, record = bytearray(path.read_bytes()), len(path.read_bytes()) // ALL
    if harm == "torn":  # as of a record that a kill or a crash of the machine cut short
        content[3 * record + record // 2 : 4 * record] = bytes(record - record // 2)
    elif harm == "other bytes":
        content[3 * record + 50] ^= 1
    elif harm in ("cut off", "empty"):
        content = content[: 9 * record + 7 if harm == "cut off" else 0]
    path.write_bytes(content)
    if harm == "removed":
        path.unlink()
    assert greys(source) == EXPECTED
    assert len(decoded) == (ALL if harm in ("empty", "removed") else 1)
    assert greys(source) == EXPECTED
    assert len(decoded) == (ALL if harm in ("empty", "removed") else 1)


def fails(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def writes_a_part(descriptor: int, content: bytes, _: int) -> int:
    return len(content) // 2


@pytest.mark.parametrize("write", [fails, writes_a_part])
def test_on_a_full_disk_pictures_are_decoded_and_it_is_said_once(
    source: data.Source,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    write: Callable[..., int],
) -> None:
    monkeypatch.setattr(os, "pwrite", write)
    assert greys(source) == EXPECTED
    [record] = caplog.records  # ten pictures are one thread's
    assert "decoded pictures are not kept" in record.getMessage()


def test_where_the_cache_cannot_be_written_pictures_are_decoded_and_it_is_said(
    source: data.Source, caplog: pytest.LogCaptureFixture
) -> None:
    data.cache_folder(source).write_text("a file in the place of the folder")
    assert greys(source) == EXPECTED
    assert "decoded pictures are not kept" in caplog.text


def test_all_files_together_keep_to_the_limit_and_the_last_used_ones_stay(
    source: data.Source, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    one = ALL * (SIZE * SIZE * 3 + 4)
    monkeypatch.setenv(_decoded.VARIABLE, str(2 * one + one // 2))
    fits: list[data.Fit] = ["crop", "pad", "squash"]
    by_fit = [data.source(str(source), SIZE, source.data_dir, fit) for fit in fits]
    for number, use in enumerate((0, 1, 0, 2)):
        greys(by_fit[use])
        for path in kept_files(source):  # as if time had passed since each was used
            os.utime(path, (path.stat().st_atime - 100, path.stat().st_mtime - 100))
        assert sum(path.stat().st_size for path in kept_files(source)) <= 2 * one, number
    decoded.clear()
    greys(by_fit[0])
    assert decoded == [], "it was used after the second one, which went"
    greys(by_fit[1])
    assert len(decoded) == ALL


@pytest.mark.parametrize("limit", ["0", str(ALL * SIZE * SIZE * 3)])
def test_what_is_larger_than_the_limit_is_not_kept(
    source: data.Source, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv(_decoded.VARIABLE, limit)
    assert greys(source) == EXPECTED
    assert kept_files(source) == []


def test_a_disk_that_is_nearly_full_is_left_alone(
    source: data.Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = ALL * SIZE * SIZE * 3

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert greys(source) == EXPECTED
    assert kept_files(source) == []


def test_a_limit_that_is_no_number_is_refused(source: data.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_decoded.VARIABLE, "10G")
    with pytest.raises(InvalidConfig, match="NAS_DECODED_BYTES=10G is not a number of bytes; give one like"):
        greys(source)
