"""Tables of paths and labels."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import data
from trainer.errors import InvalidConfig

SIZE = 8


def table(root: Path, text: str, images: int = 6, encoding: str = "utf-8") -> data.Source:
    """A table beside `images`/0.png and so on, the n-th of the grey n."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for index in range(images):
        Image.new("RGB", (SIZE, SIZE), (index, index, index)).save(root / "images" / f"{index}.png")
    (root / "table.csv").write_text(text, encoding=encoding)
    return data.source(f"csv:{root / 'table.csv'}", SIZE, root / "cache")


SPLIT = """label,path,split,camera
wolf,images/0.png,train,a
ant,images/1.png,train,b
ant,./images/2.png,train,b
wolf,images/../images/3.png,test,a
"""


def test_a_table_names_images_their_classes_and_which_are_for_tests(tmp_path: Path) -> None:
    source = table(tmp_path, SPLIT)
    about, images = data.about(source), data.load(source, test=True)
    assert (about.train_images, about.test_images, about.note, about.shorter_side) == (3, 1, None, SIZE)
    assert about.class_images == {"ant": 2, "wolf": 1}
    assert about.storage == "files"
    assert images.names == ("ant", "wolf")
    assert images.train_labels.tolist() == [0, 0, 1]
    assert images.train_images[:][:, 0, 0, 0].tolist() == [1, 2, 0]
    assert images.test_images is not None
    assert images.test_labels is not None
    assert (images.test_images[:, 0, 0, 0].tolist(), images.test_labels.tolist()) == ([3], [1])


@pytest.mark.parametrize(
    ("delimiter", "encoding", "end"),
    [(";", "utf-8-sig", "\r\n"), ("\t", "utf-8", "\n"), (", ", "utf-8", "\n")],
)
def test_tables_as_spreadsheets_save_them_are_the_same_data(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    expected = data.fingerprint(table(tmp_path / "here", SPLIT))
    other = SPLIT.replace(",", delimiter).replace("\n", end)
    assert data.fingerprint(table(tmp_path / "there", other, encoding=encoding)) == expected


def test_without_a_split_the_same_fifth_of_each_class_is_kept_for_tests(tmp_path: Path) -> None:
    rows = [f"images/{index}.png,{'ant' if index % 2 else 'wolf'}" for index in range(20)]
    source = table(tmp_path / "here", "\n".join(["path,label", *rows]), images=20)
    turned = table(tmp_path / "there", "\n".join(["path,label", *reversed(rows)]), images=20)
    about = data.about(source)
    assert (about.train_images, about.test_images) == (16, 4)
    assert about.note is not None
    assert about.note.startswith("no test images are given: 4 of 20 images")
    assert data.fingerprint(turned) == data.fingerprint(source)
    tests = [data.load(one, test=True).test_images for one in (source, turned)]
    assert tests[0] is not None
    assert tests[1] is not None
    assert np.array_equal(tests[0], tests[1])


def test_another_label_path_or_content_is_other_data(tmp_path: Path) -> None:
    known = {data.fingerprint(table(tmp_path, SPLIT))}
    for before, after in (
        ("ant,images/1", "wolf,images/1"),
        ("1.png,train", "1.png,test"),
        ("0.png", "4.png"),
    ):
        known.add(data.fingerprint(table(tmp_path, SPLIT.replace(before, after))))
    source = table(tmp_path, SPLIT)
    Image.new("RGB", (SIZE, SIZE), (99, 0, 0)).save(tmp_path / "images" / "2.png")
    known.add(data.fingerprint(source))
    assert len(known) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the column path; it has: none"),
        ("file,label\na,b\n", "lacks the column path; it has: file, label"),
        ("path,class\na,b\n", "lacks the column label"),
        ("path,label\nimages/0.png,ant\n", "has 1 labels; give two or more"),
        ("path,label\nimages/0.png\n", "line 2 of .* has no label"),
        ("path,label\n,ant\n", "line 2 of .* has no path"),
        ("path,label,split\nimages/0.png,ant,val\n", "line 2 of .* split is 'val'; give train or test"),
        ("path,label,split\nimages/0.png,ant\n", "split is None"),
        ("path,label\nimages/0.png,ant\nimages/./0.png,wolf\n", "line 3 of .* is in line 2 too"),
        ("path,label,split\nimages/0.png,ant,train\nimages/1.png,wolf,test\n", "no training images of wolf"),
        ("path,label\n../x.png,ant\n", r"line 2 of .* '\.\./x\.png' is outside of"),
        ("path,label\nimages/../../x.png,ant\n", "is outside of"),
        ("path,label\n/etc/passwd,ant\n", "is outside of"),
        ("path,label\n.,ant\n", "is outside of"),
        ('path,label\n"a\0b",ant\n', "line contains NUL|is outside of"),
        ('path,label\n"a\nb",' + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    source = table(tmp_path, text)
    for read in (data.about, data.load, data.fingerprint):
        with pytest.raises(InvalidConfig, match=says) as refused:
            read(source)
        assert "\n" not in str(refused.value)


def test_a_table_of_other_bytes_and_one_that_is_missing_are_refused(tmp_path: Path) -> None:
    source = table(tmp_path, "path,label\nimages/0.png,würm\n", encoding="latin-1")
    with pytest.raises(InvalidConfig, match="save it as CSV in UTF-8"):
        data.about(source)
    with pytest.raises(InvalidConfig, match=r"no file .*absent"):
        data.about(data.source(f"csv:{tmp_path / 'absent.csv'}"))


def test_images_that_are_missing_are_all_named(tmp_path: Path) -> None:
    source = table(tmp_path, SPLIT, images=1)
    with pytest.raises(InvalidConfig, match=r"cannot read 2 images: .*1\.png: No such file.*2\.png"):
        data.load(source).train_images[:]


def test_a_table_and_its_images_can_move_together_and_paths_may_be_absolute(tmp_path: Path) -> None:
    source = table(tmp_path / "here", SPLIT)
    text = SPLIT.replace("images/0.png", os.path.join(tmp_path, "there", "images", "0.png"))
    expected = data.fingerprint(source)
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = data.source(f"csv:{tmp_path / 'there' / 'table.csv'}", SIZE)
    assert data.fingerprint(moved) == expected
    (tmp_path / "there" / "table.csv").write_text(text)
    assert data.fingerprint(moved) == expected
