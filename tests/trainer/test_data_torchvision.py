"""torchvision's sets, read from small files in their real formats where torchvision expects them."""

import bz2
import hashlib
import json
import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets

from trainer import data
from trainer.data import torchvision as door
from trainer.errors import InvalidConfig

Patch = pytest.MonkeyPatch


def image(path: Path, grey: int, size: tuple[int, int] = (90, 70)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, grey)).save(path)


def lines(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar100(root: Path, patch: Patch) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, greys, labels in (("train", [1, 2, 3, 4], [7, 3, 7, 3]), ("test", [5, 6], [3, 7])):
        rows = np.array(greys, np.uint8)[:, None].repeat(3072, axis=1)
        (folder / name).write_bytes(pickle.dumps({"data": rows, "fine_labels": labels}))
        patch.setattr(datasets.CIFAR100, f"{name}_list", [[name, md5(folder / name)]])
    names = {"fine_label_names": [f"name{label}" for label in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names))
    patch.setitem(datasets.CIFAR100.meta, "md5", md5(folder / "meta"))


def idx(path: Path, values: list[int], side: int | None = None) -> None:
    array = np.array(values, np.uint8)
    if side:
        array = array[:, None, None].repeat(side, axis=1).repeat(side, axis=2)
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + array.tobytes())


def mnist(root: Path, _: Patch) -> None:
    for part, greys, labels in (("train", [1, 2, 3, 4], [8, 1, 8, 1]), ("t10k", [5, 6], [1, 8])):
        idx(root / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", greys, 28)
        idx(root / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", labels)


def emnist(root: Path, _: Patch) -> None:
    for part, greys, labels in (("train", [1, 2, 3, 4], [2, 1, 2, 1]), ("test", [5, 6], [1, 2])):
        idx(root / "EMNIST" / "raw" / f"emnist-letters-{part}-images-idx3-ubyte", greys, 28)
        idx(root / "EMNIST" / "raw" / f"emnist-letters-{part}-labels-idx1-ubyte", labels)


def usps(root: Path, _: Patch) -> None:
    for name, levels, labels in (
        ("usps.bz2", [-0.9, -0.8, -0.7, -0.6], "2121"),
        ("usps.t.bz2", [0, 0.5], "12"),
    ):
        rows = [
            f"{label} {' '.join(f'{pixel}:{level}' for pixel in range(1, 257))}\n"
            for label, level in zip(labels, levels, strict=True)
        ]
        (root / name).write_bytes(bz2.compress("".join(rows).encode()))


def svhn(root: Path, patch: Patch) -> None:
    for part, greys, labels in (("train", [1, 2, 3, 4], [10, 4, 10, 4]), ("test", [5, 6], [4, 10])):
        path = root / f"{part}_32x32.mat"
        pixels = np.broadcast_to(np.array(greys, np.uint8), (32, 32, 3, len(greys)))
        scipy.io.savemat(path, {"X": pixels, "y": np.array(labels)[:, None]})
        patch.setitem(datasets.SVHN.split_list, part, ["", path.name, md5(path)])


def eurosat(root: Path, _: Patch) -> None:
    for place, name in enumerate(("Forest", "River")):
        for index in range(5):
            image(root / "eurosat" / "2750" / name / f"{name}_{index}.jpg", 10 * place + index, (64, 64))


def country211(root: Path, _: Patch) -> None:
    for part, first in (("train", 1), ("valid", 3), ("test", 5)):
        for place, name in enumerate(("AD", "ZW")):
            image(root / "country211" / part / name / f"{first}.jpg", first + place)


def dtd(root: Path, _: Patch) -> None:
    for part, first in (("train", 1), ("val", 3), ("test", 5)):
        names = [f"{name}/{name}_{first}.jpg" for name in ("banded", "woven")]
        lines(root / "dtd" / "dtd" / "labels" / f"{part}1.txt", *names)
        for place, name in enumerate(names):
            image(root / "dtd" / "dtd" / "images" / name, first + place)


def food101(root: Path, _: Patch) -> None:
    for part, indices in (("train", [1, 2]), ("test", [3])):
        named = {name: [f"{name}/{index}" for index in indices] for name in ("ramen", "sushi")}
        lines(root / "food-101" / "meta" / f"{part}.json", json.dumps(named))
        for place, paths in enumerate(named.values()):
            for path in paths:
                image(root / "food-101" / "images" / f"{path}.jpg", int(path[-1]) * 2 + place)


def aircraft(root: Path, _: Patch) -> None:
    folder = root / "fgvc-aircraft-2013b" / "data"
    lines(folder / "variants.txt", "707-320", "A300 B4")
    for part, first in (("trainval", 1), ("test", 5)):
        count = 4 if part == "trainval" else 2
        rows = [f"{first + index:07d} {('707-320', 'A300 B4')[index % 2]}" for index in range(count)]
        lines(folder / f"images_variant_{part}.txt", *rows)
        for index in range(count):
            image(folder / "images" / f"{first + index:07d}.jpg", first + index)


def flowers(root: Path, patch: Patch) -> None:
    folder = root / "flowers-102"
    for index in range(1, 7):
        image(folder / "jpg" / f"image_{index:05d}.jpg", index)
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [1, 2, 1, 2, 1, 2]})
    scipy.io.savemat(folder / "setid.mat", {"trnid": [1, 2], "valid": [3, 4], "tstid": [5, 6]})
    for key, name in (("label", "imagelabels.mat"), ("setid", "setid.mat")):
        patch.setitem(datasets.Flowers102._file_dict, key, (name, md5(folder / name)))


def gtsrb(root: Path, _: Patch) -> None:
    folder = root / "gtsrb" / "GTSRB"
    for label in (0, 1):
        for index in (1, 2):
            image(folder / "Training" / f"{label:05d}" / f"{index}.ppm", 2 * index + label, (40, 44))
    for label in (0, 1):
        image(folder / "Final_Test" / "Images" / f"{label}.ppm", 5 + label, (40, 44))
    lines(root / "gtsrb" / "GT-final_test.csv", "Filename;ClassId", "0.ppm;0", "1.ppm;1")


def imagenette(root: Path, _: Patch) -> None:
    for part, count in (("train", 2), ("val", 1)):
        for place, name in enumerate(("n01440764", "n02102040")):
            for index in range(count):
                image(root / "imagenette2-160" / part / name / f"{index}.jpeg", 5 * place + index)


def pets(root: Path, _: Patch) -> None:
    folder = root / "oxford-iiit-pet"
    rows = [
        f"{name}_{index} {label} 1 1"
        for index in (1, 2, 3)
        for label, name in ((1, "Abyssinian"), (2, "pug"))
    ]
    lines(folder / "annotations" / "trainval.txt", *rows[:4])
    lines(folder / "annotations" / "test.txt", *rows[4:])
    for place, row in enumerate(rows):
        image(folder / "images" / f"{row.split()[0]}.jpg", place)


def sst2(root: Path, _: Patch) -> None:
    for part in ("train", "valid", "test"):
        for name in ("negative", "positive"):
            image(root / "rendered-sst2" / part / name / f"{part}.png", len(part) + len(name))


def cars(root: Path, _: Patch) -> None:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    scipy.io.savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array(["Audi", "BMW"], object)})
    parts = (("train", 4, folder / "devkit" / "cars_train_annos.mat"),)
    for part, count, file in (*parts, ("test", 2, folder / "cars_test_annos_withlabels.mat")):
        rows = [(f"{index:05d}.jpg", 1 + index % 2) for index in range(count)]
        kind = [("fname", object), ("class", object)]
        scipy.io.savemat(file, {"annotations": np.array(rows, kind)})
        for index, (name, _label) in enumerate(rows):
            image(folder / f"cars_{part}" / name, index)


def pcam(root: Path, _: Patch) -> None:
    h5py = pytest.importorskip("h5py", reason="torchvision reads PCAM by it: pip install h5py")
    (root / "pcam").mkdir()
    for part, greys in (("train", [1, 2]), ("valid", [3, 4]), ("test", [5, 6])):
        pixels = np.broadcast_to(np.array(greys, np.uint8)[:, None, None, None], (2, 96, 96, 3))
        for letter, values in (("x", pixels), ("y", np.array([0, 1]).reshape(2, 1, 1, 1))):
            with h5py.File(root / "pcam" / f"camelyonpatch_level_2_split_{part}_{letter}.h5", "w") as file:
                file[letter] = values


# the set's name, what writes its files, pixels a side, classes
CASES: list[tuple[str, Callable[[Path, Patch], None], int, tuple[str, str]]] = [
    ("CIFAR100", cifar100, 32, ("name3", "name7")),
    ("MNIST", mnist, 28, ("1 - one", "8 - eight")),
    ("EMNIST-letters", emnist, 28, ("a", "b")),
    ("USPS", usps, 16, ("0", "1")),
    ("SVHN", svhn, 32, ("0", "4")),
    ("EuroSAT", eurosat, 64, ("Forest", "River")),
    ("Country211", country211, 64, ("AD", "ZW")),
    ("DTD", dtd, 64, ("banded", "woven")),
    ("Food101", food101, 64, ("ramen", "sushi")),
    ("FGVCAircraft", aircraft, 64, ("707-320", "A300 B4")),
    ("Flowers102", flowers, 64, ("pink primrose", "hard-leaved pocket orchid")),
    ("GTSRB", gtsrb, 32, ("00", "01")),
    ("Imagenette", imagenette, 64, ("English springer", "tench")),
    ("OxfordIIITPet", pets, 64, ("Abyssinian", "Pug")),
    ("PCAM", pcam, 96, ("0", "1")),
    ("RenderedSST2", sst2, 64, ("negative", "positive")),
    ("StanfordCars", cars, 64, ("Audi", "BMW")),
]


@pytest.mark.parametrize(("name", "write", "size", "classes"), CASES, ids=[name for name, *_ in CASES])
def test_a_set_of_torchvision_is_read_and_then_read_without_torchvision(
    tmp_path: Path,
    monkeypatch: Patch,
    name: str,
    write: Callable[[Path, Patch], None],
    size: int,
    classes: tuple[str, str],
) -> None:
    write(tmp_path, monkeypatch)
    source = data.source(f"torchvision:{name}", data_dir=tmp_path)
    before = data.about(source)
    images = data.load(source, test=True)
    about, fingerprint = data.about(source), data.fingerprint(source)
    assert about.image_size == before.image_size == size
    assert (about.storage, about.fit, about.shorter_side) == (before.storage, before.fit, None)
    is_split = name != "EuroSAT"
    assert (about.train_images, about.test_images) == ((4, 2) if is_split else (8, 2))
    assert about.class_images is not None
    assert set(about.class_images) == set(images.names) == set(classes)
    assert images.train_images[:].shape == (about.train_images, size, size, 3)
    assert np.bincount(images.train_labels).tolist() == [4 if not is_split else 2] * 2
    assert images.test_labels is not None
    assert sorted(images.test_labels.tolist()) == [0, 1]
    assert images.mirrored != (name in {"MNIST", "EMNIST-letters", "USPS", "SVHN", "GTSRB", "RenderedSST2"})
    assert about.note is not None
    assert "; if its download was interrupted, remove its files" in about.note
    assert ("a fifth of each class" in about.note) == (not is_split)
    monkeypatch.setattr(door, "_open", None)
    again = data.load(source, test=True)
    assert np.array_equal(again.train_images[:], images.train_images[:])
    assert data.fingerprint(source) == fingerprint


def test_labels_go_with_their_images(tmp_path: Path, monkeypatch: Patch) -> None:
    greys: dict[str, Any] = {}
    for name, write in (("MNIST", mnist), ("CIFAR100", cifar100), ("DTD", dtd)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, monkeypatch)
        images = data.load(data.source(f"torchvision:{name}", data_dir=tmp_path / name), test=True)
        first = images.train_images[:][:, 0, 0, 0].tolist()
        greys[name] = sorted(zip(first, images.train_labels.tolist(), strict=True))
    assert greys["MNIST"] == greys["CIFAR100"] == [(1, 1), (2, 0), (3, 1), (4, 0)]
    assert greys["DTD"] == [(1, 0), (2, 1), (3, 0), (4, 1)]


def test_a_set_with_all_its_published_images_has_no_note(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setitem(door._SETS, "MNIST", replace(door._SETS["MNIST"], counts=(2, 4, 2)))
    mnist(tmp_path, monkeypatch)
    source = data.source("torchvision:MNIST", data_dir=tmp_path)
    data.load(source)
    assert data.about(source).note is None


def test_an_unknown_set_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="CIFAR10, CIFAR100, Country211, DTD, EMNIST-balanced"):
        data.about(data.source("torchvision:cifar100", data_dir=tmp_path))
    with pytest.raises(InvalidConfig, match="needs a name: torchvision:NAME"):
        data.source("torchvision")
    assert not list(tmp_path.iterdir())


def test_all_sets_are_told_before_a_download_and_have_a_class_in_torchvision(tmp_path: Path) -> None:
    for name, asked in door._SETS.items():
        about = data.about(data.source(f"torchvision:{name}", data_dir=tmp_path))
        assert (about.classes, about.train_images, about.test_images) == asked.counts
        assert hasattr(datasets, name.partition("-")[0])
    assert not list(tmp_path.iterdir())


def test_a_set_that_cannot_be_downloaded_or_is_damaged_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    source = data.source("torchvision:CIFAR100", data_dir=tmp_path)
    with pytest.raises(InvalidConfig, match=r"cannot get torchvision:CIFAR100 into .* place its files there"):
        data.load(source)
    cifar100(tmp_path, monkeypatch)
    (tmp_path / "cifar-100-python" / "train").write_bytes(b"cut off")
    with pytest.raises(InvalidConfig, match="cannot get torchvision:CIFAR100"):
        data.load(source)
    assert [path.name for path in tmp_path.glob("torchvision-*")] == ["torchvision-CIFAR100.npz.lock"]


@pytest.mark.parametrize(
    ("name", "words"), [("StanfordCars", "Dataset not found"), ("PCAM", "please run pip install h5py")]
)
def test_a_set_that_must_be_placed_by_hand_or_needs_a_library_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: Patch, name: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InvalidConfig, match=f"{words}.*place its files there as torchvision does"):
        data.load(data.source(f"torchvision:{name}", data_dir=tmp_path))
