"""Folders of images as people have them: copied, unzipped, of other systems, with other files among them."""

import io
import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainer import data
from trainer.describe import describe
from trainer.errors import InvalidConfig
from trainer.report import Report

SIZE = 8


def folder(root: Path, *names: str, images: int = 2, part: str = "train") -> data.Source:
    """PART/NAME for each name with as many images, the n-th name's of the grey 10 n."""
    for number, name in enumerate(names, start=1):
        (root / part / name).mkdir(parents=True)
        for index in range(images):
            image(root / part / name / f"{index}.png", 10 * number)
    return data.source(f"folder:{root}", image_size=SIZE)


def read_all(source: data.Source) -> NDArray[np.uint8]:
    """All training images."""
    return data.load(source).train_images[:]


def image(path: Path, grey: int = 0) -> None:
    Image.new("RGB", (SIZE, SIZE), (grey, grey, grey)).save(path)


def greys(source: data.Source) -> list[tuple[int, list[int]]]:
    """Of each class the greys of its training images."""
    images = data.load(source)
    first = images.train_images[:][:, 0, 0, 0]
    return [(label, first[images.train_labels == label].tolist()) for label in range(images.classes)]


def test_a_class_called_like_a_pattern_has_its_own_images_and_no_other_class_has_them(tmp_path: Path) -> None:
    source = folder(tmp_path, "x1", "x[1]", "x*", "x?", "**")
    assert sorted(map(tuple, (images for _, images in greys(source)))) == [
        (grey, grey) for grey in (10, 20, 30, 40, 50)
    ]


def test_what_systems_leave_behind_is_no_image_and_no_class(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    folder(tmp_path, "ant", part="test")
    before = data.fingerprint(source)
    for part in ("train", "test"):
        for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints"):
            (tmp_path / part / name).mkdir()
            image(tmp_path / part / name / "0.png")
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", "Desktop.ini"):
        (tmp_path / "train" / "ant" / name).write_bytes(b"\0\5\x16\7")
        (tmp_path / "train" / name).write_bytes(b"")
    assert greys(source) == [(0, [10, 10]), (1, [20, 20])]
    assert (data.fingerprint(source), data.about(source).note) == (before, None)


def test_what_is_not_read_is_counted_and_told(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    for name in ("a.heic", "b.heic", "list.txt", "README"):
        (tmp_path / "train" / "ant" / name).write_text("")
    folder(tmp_path / "train" / "wolf", "monday", images=3, part="far")
    image(tmp_path / "train" / "loose.png")
    assert data.about(source).note == (
        "not read: 4 files of other kinds (2 .heic, 1 .txt, 1 without a suffix); "
        "3 images in 1 folder within class folders; 1 file outside class folders"
    )


@pytest.mark.parametrize("suffix", ["tif", "TIFF", "gif", "webp", "bmp", "jfif", "JPG", "jpeg", "png"])
def test_all_usual_kinds_of_images_are_read(suffix: str, tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    kind = {"tif": "tiff", "jfif": "jpeg", "jpg": "jpeg"}.get(suffix.lower(), suffix)
    Image.new("RGB", (9, 9)).save(tmp_path / "train" / "ant" / f"x.{suffix}", kind)
    assert data.about(source).train_images == len(data.load(source).train_images) == 5


def test_two_forms_of_unicode_are_one_class_and_copying_between_them_changes_nothing(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    one = folder(tmp_path / "one", composed, "zebra")
    folder(tmp_path / "one", apart, "zebra", part="test")
    both = folder(tmp_path / "both", composed, "zebra", apart)
    other = folder(tmp_path / "other", apart, "zebra")
    folder(tmp_path / "other", composed, "zebra", part="test")
    assert data.load(one, test=True).classes == 2
    assert greys(both) == [(0, [30, 10, 30, 10]), (1, [20, 20])]
    assert data.fingerprint(one) == data.fingerprint(other)


def test_names_that_are_not_utf_8_are_read_and_can_be_told(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", os.fsdecode(b"\xe9toile"))
    stray = tmp_path / "train" / "ant" / os.fsdecode(b"\xe9.png")
    image(stray, 5)
    (tmp_path / "train" / "ant" / os.fsdecode(b"x.\xe9")).write_text("")
    assert greys(source)[0] == (0, [10, 10, 5])
    assert data.fingerprint(source)
    assert "1 .\\udce9" in described(source, tmp_path, check_data=False)["dataset"]["note"]
    stray.write_bytes(b"")
    assert "\\udce9.png" in described(source, tmp_path, check_data=True)["message"]


def test_of_many_classes_the_smallest_a_median_and_the_largest_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.describe._MOST_CLASSES", 4)
    source = folder(tmp_path, "ant", "bee", "cat", "wolf")
    for name, count in (("bee", 5), ("cat", 3), ("wolf", 4)):
        for index in range(2, count):
            image(tmp_path / "train" / name / f"{index}.png", 0)
    asked = {"train": 8, "validation": 4, "seed": 0, "draw": "proportional"}
    all_told = described(source, tmp_path, check_data=False, subset=asked)["dataset"]
    assert all_told["class_images"] == {"ant": 2, "bee": 5, "cat": 3, "wolf": 4}
    assert sum(map(sum, all_told["drawn"].values())) == 12
    monkeypatch.setattr("trainer.describe._MOST_CLASSES", 3)
    told = described(source, tmp_path, check_data=False, subset=asked)["dataset"]
    assert told["class_images"] == {"ant": 2, "wolf": 4, "bee": 5}
    assert told["drawn"] == {name: all_told["drawn"][name] for name in ("ant", "wolf", "bee")}


def described(source: data.Source, folder: Path, check_data: bool, **changes: object) -> dict[str, Any]:
    """What the trainer answers for the data; `folder` is for the configuration."""
    asked: dict[str, object] = {"protocol": 1, "model": "resnet18", "scale": {"width": 0.125}, "seed": 0}
    asked |= {"subset": {"train": 2, "validation": 2, "seed": 0}, "budget": {"steps": 1}}
    (folder / "trial.json").write_text(json.dumps({**asked, "dataset": str(source), **changes}))
    lines = io.StringIO()
    describe(Report(lines), check_data=check_data, timed=False, paths=[folder / "trial.json"])
    answer: dict[str, Any] = json.loads(lines.getvalue())
    json.dumps(answer, ensure_ascii=False).encode()  # can be printed and kept
    return answer


def test_a_copy_without_its_times_is_the_same_data(tmp_path: Path) -> None:
    source = folder(tmp_path / "here", "ant", "wolf")
    copied = shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    os.utime(copied / "train" / "ant" / "0.png", (1, 1))
    assert data.fingerprint(source) == data.fingerprint(data.source(f"folder:{copied}", image_size=SIZE))


def test_another_content_name_class_or_part_is_other_data(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    folder(tmp_path, "ant", part="test")
    ant = tmp_path / "train" / "ant" / "0.png"
    found = [data.fingerprint(source)]

    def note() -> None:
        found.append(data.fingerprint(source))

    content = bytearray(ant.read_bytes())
    content[-20] ^= 1  # of the same size, at the same time
    status = ant.stat()
    ant.write_bytes(content)
    os.utime(ant, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    note()
    ant = ant.rename(ant.with_name("2.png"))
    note()
    ant = ant.rename(tmp_path / "train" / "wolf" / "2.png")
    note()
    ant.rename(tmp_path / "test" / "ant" / "2.png")
    note()
    (tmp_path / "train" / "ant").rename(tmp_path / "train" / "bee")
    (tmp_path / "test" / "ant").rename(tmp_path / "test" / "bee")
    note()
    assert len(set(found)) == len(found)
    assert all(one.startswith("folder-3-") for one in found)


def test_all_images_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf", images=12)
    for index in range(2):
        (tmp_path / "train" / "ant" / f"{index}.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(
        InvalidConfig, match=r"cannot read 2 images: .*ant/0\.png: .*; .*ant/1\.png: .*remove them"
    ):
        read_all(source)
    (tmp_path / "train" / "ant" / "loop.png").symlink_to("loop.png")
    for index in range(30):
        (tmp_path / "train" / "wolf" / f"{index}.png").write_bytes(b"")
    with pytest.raises(InvalidConfig, match=r"cannot read 33 images: .*; replace or remove them") as refused:
        read_all(source)
    wolves = [f"wolf/{index}.png: " for index in range(30)]
    for name in ("ant/0.png: ", "ant/1.png: ", "ant/loop.png: ", *wolves):
        assert str(refused.value).count(name) == 1


def test_a_link_that_leads_nowhere_is_refused_by_name(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    (tmp_path / "train" / "ant" / "gone.png").symlink_to(tmp_path / "nowhere")
    for read in (data.fingerprint, read_all):
        with pytest.raises(InvalidConfig, match=r"gone\.png: No such file"):
            read(source)


def test_messages_of_too_few_images_name_the_class_and_nothing_of_the_trainer(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    asked = {"train": 5000, "validation": 1000, "seed": 0}
    message = described(source, tmp_path, check_data=True, subset=asked)["message"]
    assert message.startswith("class ant has 2 training images, but 5000 for training")
    assert "subset" not in message


def test_the_fit_is_answered_for_a_folder_and_not_for_squares(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    assert data.about(source).fit == "crop"
    assert data.about(data.source(str(source), fit="pad")).fit == "pad"
    assert data.about(data.source("digits", fit="pad")).fit is None
    assert data.about(data.source("cifar10", fit="pad")).fit is None


def test_wide_photographs_are_cropped_unless_another_fit_is_asked_for(tmp_path: Path) -> None:
    source = folder(tmp_path, "ant", "wolf")
    sides = np.zeros((SIZE, 2 * SIZE, 3), np.uint8)
    sides[:, SIZE // 2 : -SIZE // 2] = 255
    Image.fromarray(sides).save(tmp_path / "train" / "ant" / "0.png")

    def first(fit: data.Fit | None) -> set[int]:
        images = data.load(data.source(str(source), image_size=SIZE, fit=fit)).train_images[:1][0]
        return {int(images[SIZE // 2, SIZE // 2, 0]), int(images[0, SIZE // 2, 0]), int(images[4, 0, 0])}

    assert (first(None), first("crop")) == ({255}, {255})
    assert first("pad") == {255, 128, 0}
    assert first("squash") == {255, 0}


def unsplit(root: Path, *names: str, images: int = 10) -> data.Source:
    """NAME/*.png without train and test, the n-th name's images of the greys 50 n and up."""
    for number, name in enumerate(names, start=1):
        (root / name).mkdir(parents=True)
        for index in range(images):
            image(root / name / f"{index}.png", 50 * number + index)
    return data.source(f"folder:{root}", image_size=SIZE)


def test_of_class_folders_without_a_split_the_same_fifth_of_each_class_is_kept_for_tests(
    tmp_path: Path,
) -> None:
    source = unsplit(tmp_path / "here", "ant", "wolf", images=11)
    (tmp_path / "here" / "list.txt").write_text("")
    about, images = data.about(source), data.load(source, test=True)
    assert (about.train_images, about.test_images, about.classes) == (18, 4, 2)
    assert about.note == (
        "no test images are given: 4 of 22 images, a fifth of each class chosen by the hashes of their "
        "names, are kept apart as test images; not read: 1 file outside class folders"
    )
    assert images.test_images is not None
    assert images.test_labels is not None
    assert np.bincount(images.test_labels).tolist() == [2, 2]
    tests = {int(one[0, 0, 0]) for one in images.test_images}
    trained = {grey for _, greys_of in greys(source) for grey in greys_of}
    assert (len(tests), len(trained), tests & trained) == (4, 18, set())
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    copied = data.source(f"folder:{tmp_path / 'there'}", image_size=SIZE)
    assert data.fingerprint(copied) == data.fingerprint(source)
    copied_tests = data.load(copied, test=True).test_images
    assert copied_tests is not None
    assert np.array_equal(copied_tests, images.test_images)


def test_an_image_that_is_added_moves_at_most_one_other_between_training_and_test(tmp_path: Path) -> None:
    source = unsplit(tmp_path, "ant", "wolf", images=12)

    def tests() -> set[int]:
        found = data.load(source, test=True).test_images
        assert found is not None
        return {int(one[0, 0, 0]) for one in found}

    before = tests()
    for index in range(12, 20):
        image(tmp_path / "ant" / f"{index}.png", 200 + index)
        after = tests()
        assert len(before - after) <= 1
        before = after


def test_the_split_is_another_fingerprint_than_the_same_images_split_by_their_owner(tmp_path: Path) -> None:
    source = unsplit(tmp_path / "photos", "ant", "wolf")
    split = folder(tmp_path / "split", "ant", "wolf", images=0)
    for name in ("ant", "wolf"):
        for file in (tmp_path / "photos" / name).iterdir():
            shutil.copy(file, tmp_path / "split" / "train" / name)
    assert data.fingerprint(split) != data.fingerprint(source)
    assert data.about(split).test_images == 0


def test_a_class_of_one_image_is_trained_on_and_folders_without_classes_are_refused(tmp_path: Path) -> None:
    unsplit(tmp_path / "few", "ant", "wolf", images=1)
    assert data.about(data.source(f"folder:{tmp_path / 'few'}")).train_images == 2
    with pytest.raises(InvalidConfig, match="has 0 class folders; give two or more"):
        data.about(data.source(f"folder:{tmp_path / 'few' / 'ant'}"))
    (tmp_path / "few" / "empty").mkdir()
    with pytest.raises(InvalidConfig, match="empty has no images"):
        data.about(data.source(f"folder:{tmp_path / 'few'}"))


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_a_path_that_cannot_be_looked_at_is_refused_in_a_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    source = data.source(f"folder:{tmp_path / name}")
    monkeypatch.setattr(Path, "stat", refuse)  # as root, no folder is closed
    with pytest.raises(InvalidConfig, match=f"cannot open .*{name}: Permission denied; make it readable"):
        data.about(source)


def test_the_median_shorter_side_of_a_folder_is_told_and_unreadable_files_do_not_count(
    tmp_path: Path,
) -> None:
    source = unsplit(tmp_path, "ant", "wolf")
    for index, size in enumerate([(50, 90), (90, 50), (50, 50), (300, 60)] * 10):
        Image.new("RGB", size).save(tmp_path / "wolf" / f"more {index}.jpg")
    (tmp_path / "wolf" / "z.png").write_bytes(b"no picture")
    assert data.about(source).shorter_side == 50
