"""Files of arrays that are not what they say, and those whose images are not square."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer import config, data
from trainer.checkpoint import fingerprint
from trainer.describe import describe
from trainer.errors import InvalidConfig
from trainer.report import Report

OF_OLD = "3b0676f207ad66300cf4401e7b6af48875a914168732ede652b57129ff18eeea"  # of the trial below
SQUARE = ((100, 8, 8, 3), "|u1", 100 * 192)
LABELS = ((100,), "<i8", 800)


def written(path: Path, **arrays: tuple[tuple[int, ...], str, int]) -> data.Source:
    """An .npz of zeros: of each array the shape and the type that its header tells, and its bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (shape, kind, count) in arrays.items():
            header = io.BytesIO()
            told = {"descr": kind, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, told)
            with archive.open(f"{name}.npy", "w") as stream:
                stream.write(header.getvalue())
                for start in range(0, count, 1 << 20):
                    stream.write(bytes(min(1 << 20, count - start)))
    return data.source(f"npz:{path}")


HOSTILE: dict[str, dict[str, tuple[tuple[int, ...], str, int]]] = {
    "labels that unpack to 800 MB": {"train_labels": ((100_000_000,), "<i8", 8)},
    "labels of 80 TB": {"train_labels": ((10**13,), "<i8", 800)},
    "images of 3 TB": {"train_images": ((10**9, 32, 32, 3), "|u1", 10), "train_labels": ((10**9,), "<i8", 9)},
    "more bytes than the shape has": {"train_images": ((100, 8, 8, 3), "|u1", 1 << 20)},
    "test labels of 80 TB": {"test_images": SQUARE, "test_labels": ((10**13,), "<i8", 800)},
    "labels of records": {"train_labels": ((100,), "<M8[s]", 800)},
    "sizes below zero": {"train_images": ((-100, 8, -8, 3), "|u1", 100 * 192)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_array_that_is_not_what_it_says_is_refused_before_anything_is_unpacked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "x.npz", **{"train_images": SQUARE, "train_labels": LABELS, **HOSTILE[name]})

    def unpacked(*_: Any, **__: Any) -> None:
        raise AssertionError("an array was unpacked")

    monkeypatch.setattr(np.lib.format, "read_array", unpacked)
    for read in (data.about, lambda source: data.load(source, test="test" in name)):
        with pytest.raises(InvalidConfig, match=r"(train|test)_(images|labels) of .*x\.npz"):
            read(source)


def test_an_encrypted_archive_is_refused_in_a_line(tmp_path: Path) -> None:
    source = written(tmp_path / "x.npz", train_images=SQUARE, train_labels=LABELS)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = content.index(signature) + offset
        content[at] |= 1  # the flag of encryption
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InvalidConfig, match="cannot read"):
        data.about(source)


def wide(path: Path, fit: data.Fit | None = None, image_size: int | None = 8) -> data.Source:
    """Two classes of 8 x 16 pixels, bright in the middle half alone."""
    images = np.zeros((40, 8, 16, 3), np.uint8)
    images[:, :, 4:12] = 255
    np.savez(path, allow_pickle=False, train_images=images, train_labels=np.arange(40) % 2)
    return data.source(f"npz:{path}", image_size, fit=fit)


def test_arrays_that_are_not_square_are_fitted_as_photographs_are(tmp_path: Path) -> None:
    cropped, padded, squashed = (
        np.asarray(data.load(wide(tmp_path / "x.npz", fit)).train_images) for fit in (None, "pad", "squash")
    )
    assert cropped.shape == (40, 8, 8, 3)
    assert set(cropped.ravel()) == {255}
    assert padded.shape == (40, 16, 16, 3)
    assert padded[0, :, 8, 0].tolist() == [128] * 4 + [255] * 8 + [128] * 4
    assert squashed.shape == (40, 8, 16, 3), "what resizes them squashes them"
    assert data.about(wide(tmp_path / "x.npz")).fit == "crop"
    assert data.about(wide(tmp_path / "x.npz", "squash")).fit == "squash"


def test_square_arrays_have_no_fit_and_their_fingerprint_of_old(tmp_path: Path) -> None:
    source = written(tmp_path / "x.npz", train_images=SQUARE, train_labels=LABELS)
    (tmp_path / "y.npz").write_bytes((tmp_path / "x.npz").read_bytes())
    assert data.fingerprint(source) == hashlib.sha256((tmp_path / "y.npz").read_bytes()).hexdigest()
    square = np.zeros((4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "z.npz", train_images=square, train_labels=np.arange(4) % 2, allow_pickle=False)
    assert data.about(data.source(f"npz:{tmp_path}/z.npz", fit="pad")).fit is None


def test_a_checkpoint_from_before_there_was_a_fit_is_good_where_images_are_as_they_were() -> None:
    trial = {"protocol": 1, "model": "resnet18", "dataset": "digits", "budget": {"steps": 1}, "seed": 0}
    trial |= {"subset": {"train": 10, "validation": 10, "seed": 0}}
    usual, squashed, padded = (
        fingerprint(config.from_json(trial | fit)) for fit in ({}, {"fit": "squash"}, {"fit": "pad"})
    )
    assert usual == squashed == OF_OLD
    assert padded != usual


def test_memory_that_is_too_small_for_the_data_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(source: data.Source, test: bool) -> data.Images:
        raise MemoryError("Unable to allocate 3.00 TiB")

    monkeypatch.setattr(data, "load", too_much)
    asked = {"protocol": 1, "model": "resnet18", "dataset": "digits", "budget": {"steps": 1}, "seed": 0}
    asked |= {"subset": {"train": 10, "validation": 10, "seed": 0}}
    (tmp_path / "trial.json").write_text(json.dumps(asked))
    lines = io.StringIO()
    describe(Report(lines), check_data=True, timed=False, paths=[tmp_path / "trial.json"])
    answer = json.loads(lines.getvalue())
    assert (answer["event"], answer["reason"]) == ("error", "refused")
    assert "memory is too small for the data set: Unable to allocate 3.00 TiB" in answer["message"]
