import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainer import data
from trainer.errors import InvalidConfig

Arrays = dict[str, NDArray[Any]]


def arrays(**changes: NDArray[Any]) -> Arrays:
    """A valid data set of 3 classes, 12x12 pixels, with some arrays changed."""
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (30, 12, 12, 3), np.uint8),
        "train_labels": np.arange(30) % 3,
        "test_images": rng.integers(0, 256, (9, 12, 12, 3), np.uint8),
        "test_labels": np.arange(9) % 3,
    } | changes


def written(folder: Path, contents: Arrays) -> data.Source:
    path = folder / "images.npz"
    np.savez(path, allow_pickle=True, **contents)
    return data.source(f"npz:{path}")


def refusals(source: data.Source) -> list[str]:
    """What describing and what loading say against a data set."""
    messages = []
    for read in (data.about, lambda source: data.load(source, test=True)):
        try:
            read(source)
        except InvalidConfig as refused:
            messages.append(str(refused))
    return messages


def image_folder(root: Path, **counts: int) -> data.Source:
    """train/CLASS with as many images, and one test image a class."""
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        for part, images in (("train", count), ("test", 1)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(images):
                pixels = rng.integers(0, 256, (10 + index, 14, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.{'png' if index % 2 else 'jpg'}")
    return data.source(f"folder:{root}", image_size=16)


def test_the_digits_are_5000_and_1000_balanced_colour_images_of_16_pixels() -> None:
    images = data.load(data.source("digits"), test=True)
    assert images.train_images[:].shape == (5000, 16, 16, 3)
    assert images.test_images is not None
    assert images.test_labels is not None
    assert images.test_images.shape == (1000, 16, 16, 3)
    assert set(np.bincount(images.train_labels)) == {500}
    assert set(np.bincount(images.test_labels)) == {100}
    assert not images.mirrored


def test_the_digits_are_the_same_each_time_with_and_without_the_test_images() -> None:
    once, again = data.load(data.source("digits"), test=False), data.load(data.source("digits"), test=True)
    assert (once.train_images[:] == again.train_images[:]).all()
    assert once.test_images is None


def test_training_and_test_digits_come_from_different_originals() -> None:
    from trainer.data import digits

    train, test = digits.split()
    for of_train, of_test in zip(train, test, strict=True):
        assert len(of_test) > 20
        assert sum(map(len, (of_train, of_test))) > 150
    originals = np.concatenate([*train, *test]).reshape(-1, 64)
    assert len(originals) == 1797
    kept = {image.tobytes() for image in np.concatenate(train)}
    assert not any(image.tobytes() in kept for image in np.concatenate(test))


def test_an_npz_file_is_described_from_its_headers_and_read_whole(tmp_path: Path) -> None:
    source = written(tmp_path, arrays())
    about = data.about(source)
    assert (about.classes, about.image_size, about.train_images, about.test_images) == (3, 12, 30, 9)
    images = data.load(source, test=True)
    assert np.array_equal(np.asarray(images.train_images), arrays()["train_images"])
    assert images.test_labels is not None
    assert images.test_labels.dtype == np.int64


def test_a_changed_npz_file_has_another_fingerprint(tmp_path: Path) -> None:
    before = data.fingerprint(written(tmp_path, arrays()))
    assert data.fingerprint(written(tmp_path, arrays(train_labels=np.arange(30) % 5))) != before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train_images": np.zeros((30, 12, 12, 4), np.uint8)}, "networks take three channels: choose three"),
        ({"train_images": np.zeros((30, 12, 12, 3), np.float32)}, "not float32"),
        ({"train_images": np.zeros((0, 12, 12, 3), np.uint8)}, "must be uint8 [N, H, W, 3]"),
        ({"train_images": np.zeros((30, 12, 14, 3), np.uint8)}, "give image_size"),
        ({"train_labels": np.zeros(29, np.int64)}, "29 labels for 30 images"),
        ({"train_labels": np.zeros(30)}, "must be int64 [N]"),
        ({"train_labels": np.arange(30) % 3 - 1}, "from 0"),
        ({"train_labels": np.arange(30) % 3 * 2}, "no image has label 1"),
        ({"train_labels": np.zeros(30, np.int64)}, "has one class"),
        ({"train_labels": np.array([object()] * 30)}, "must be int64 [N], not object"),
        ({"test_images": np.zeros((9, 12), np.uint8)}, "test_images of"),
        ({"train_images": np.zeros((30, 12, 12), np.uint16)}, "not uint16"),
        ({"class_names": np.array(["a", "b"])}, "must be 3 texts, not <U1 [2]"),
        ({"class_names": np.array([1, 2, 3])}, "must be 3 texts, not int64"),
        ({"class_names": np.array(["a", "b", "a"])}, "has a name twice"),
        ({"test_labels": np.arange(9) % 4}, "from 0 to 2"),
        ({"test_labels": np.arange(8) % 3}, "8 labels for 9 images"),
    ],
)
def test_wrong_arrays_are_refused_by_name(tmp_path: Path, changes: Arrays, says: str) -> None:
    source = written(tmp_path, arrays(**changes))
    assert any(says in message for message in refusals(source))


@pytest.mark.parametrize("missing", ["train_images", "train_labels", "test_images", "test_labels"])
def test_a_missing_array_is_refused_with_the_present_ones(tmp_path: Path, missing: str) -> None:
    contents = arrays()
    del contents[missing]
    with pytest.raises(InvalidConfig, match=f"lacks the array {missing}; it has: "):
        data.load(written(tmp_path, contents), test=True)


def test_without_test_arrays_everything_but_the_test_works(tmp_path: Path) -> None:
    contents = {name: array for name, array in arrays().items() if name.startswith("train")}
    source = written(tmp_path, contents)
    assert data.about(source).test_images == 0
    assert data.load(source, test=False).test_images is None


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.npz").write_bytes(b"not an archive")
    with pytest.raises(InvalidConfig, match=r"cannot read .* as \.npz"):
        data.load(data.source(f"npz:{tmp_path}/images.npz"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path, arrays())
    assert source.path is not None
    with zipfile.ZipFile(source.path) as archive:
        offset = archive.getinfo("train_images.npy").header_offset
    damaged = bytearray(source.path.read_bytes())
    damaged[offset + 400] ^= 0xFF
    source.path.write_bytes(damaged)
    with pytest.raises(InvalidConfig, match=r"cannot read .* as \.npz"):
        data.load(source)


@pytest.mark.parametrize("name", ["npz", "folder"])
def test_a_missing_path_is_refused(name: str, tmp_path: Path) -> None:
    source = data.source(f"{name}:{tmp_path}/absent")
    for read in (data.about, data.load):
        with pytest.raises(InvalidConfig, match="absent"):
            read(source)


def test_a_folder_of_images_is_decoded_to_squares_with_labels_in_alphabetical_order(tmp_path: Path) -> None:
    source = image_folder(tmp_path, wolf=3, ant=2)
    about = data.about(source)
    assert (about.classes, about.image_size, about.train_images, about.test_images) == (2, 16, 5, 2)
    images = data.load(source, test=True)
    assert images.train_images[:].shape == (5, 16, 16, 3)
    assert images.train_labels.tolist() == [0, 0, 1, 1, 1]
    assert images.test_labels is not None
    assert images.test_labels.tolist() == [0, 1]


def test_an_unreadable_image_is_refused_by_name(tmp_path: Path) -> None:
    source = image_folder(tmp_path, ant=2, wolf=2)
    (tmp_path / "train" / "wolf" / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(InvalidConfig, match=r"cannot read the image .*wolf/broken\.png"):
        data.load(source).train_images[:]


def test_an_empty_class_and_a_class_that_only_the_test_has_are_refused(tmp_path: Path) -> None:
    source = image_folder(tmp_path, ant=2, wolf=2)
    (tmp_path / "test" / "bee").mkdir()
    with pytest.raises(InvalidConfig, match="bee is a class that train lacks"):
        data.load(source, test=True)
    (tmp_path / "train" / "bee").mkdir()
    with pytest.raises(InvalidConfig, match="bee has no images"):
        data.load(source)


def test_a_folder_without_test_images_refuses_a_test(tmp_path: Path) -> None:
    source = image_folder(tmp_path / "images", ant=2, wolf=2)
    (tmp_path / "images" / "test").rename(tmp_path / "elsewhere")
    assert data.about(source).test_images == 0
    with pytest.raises(InvalidConfig, match="has no test images"):
        data.load(source, test=True)


def test_cifar10_is_described_without_a_download(tmp_path: Path) -> None:
    about = data.about(data.source("cifar10", data_dir=tmp_path))
    assert (about.classes, about.image_size, about.train_images, about.test_images) == (
        10,
        32,
        50_000,
        10_000,
    )
    assert about.class_images is not None
    assert [*about.class_images.items()][::9] == [("airplane", 5000), ("truck", 5000)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["digits", "npz", "folder"])
def test_the_images_of_each_class_are_those_that_are_loaded(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "x.npz", allow_pickle=False, **arrays())
    folder = image_folder(tmp_path / "images", ant=3, wolf=2)
    source = {
        "digits": data.source("digits"),
        "npz": data.source(f"npz:{tmp_path / 'x.npz'}"),
        "folder": folder,
    }[name]
    told, images = data.about(source).class_images, data.load(source)
    assert told is not None
    assert list(told.values()) == np.bincount(images.train_labels).tolist()
    assert images.names == tuple(told) or not images.names


def test_cifar10_without_a_network_is_refused_with_the_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(InvalidConfig, match=r"cannot get CIFAR-10 .* npz:PATH"):
        data.load(data.source("cifar10", data_dir=tmp_path))


def test_cifar10_is_read_from_the_file_that_the_first_download_left(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10.npz", allow_pickle=False, **arrays())
    assert len(data.load(data.source("cifar10", data_dir=tmp_path)).train_images) == 30


def test_a_read_only_cache_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidConfig, match="data_dir with a folder that can be written"):
        data.load(data.source("cifar10", data_dir=tmp_path / "file" / "cache"))


def test_grey_arrays_have_three_equal_channels_and_classes_may_have_names(tmp_path: Path) -> None:
    known = arrays()
    for count, shape in enumerate(((30, 12, 12), (30, 12, 12, 1))):
        grey = known["train_images"][..., 0].reshape(shape)
        names = np.array(["würm", "ant", "bee"])
        changed = arrays(train_images=grey, test_images=known["test_images"][..., 0], class_names=names)
        np.savez(tmp_path / f"{count}.npz", allow_pickle=True, **changed)
        source = data.source(f"npz:{tmp_path / f'{count}.npz'}")
        images = data.load(source, test=True)
        assert images.names == ("würm", "ant", "bee") == tuple(data.about(source).class_images or ())
        assert images.test_images is not None
        assert (images.train_images[:] == known["train_images"][..., :1]).all()
        assert (images.test_images == known["test_images"][..., :1]).all()
