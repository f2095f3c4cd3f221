"""Predictions for files and folders of images, as a table, JSON or CSV, and scores of labelled folders."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.trainer._saved import CLASSES, make_photos, train_and_save
from tests.trainer.conftest import Forked
from trainer import load_model, saved_model
from trainer.errors import InvalidConfig
from trainer.predict import Layout, compute_scores, predict
from trainer.report import Report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that tells the photos in `photos` beside it apart."""
    root = tmp_path_factory.mktemp("colours")
    train_and_save(root, **make_photos(root / "photos"))
    return root


def printed(folder: Path, layout: Layout, *paths: Path) -> str:
    stream = io.StringIO()
    predict(saved_model.load(folder), paths, Report(stream), layout, "cpu")
    return stream.getvalue()


def events(folder: Path, *paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(folder, "json", *paths).splitlines()]


def test_images_and_folders_are_predicted_in_order_as_the_loaded_model_does(folder: Path) -> None:
    stars = folder / "photos" / "test" / "star"
    found = events(folder, stars / "3.jpg", stars)
    assert [line["image"] for line in found[:2]] == [str(stars / "3.jpg"), str(stars / "0.jpg")]
    assert {line["event"] for line in found} == {"prediction"}, "without true classes there are no scores"
    network, preprocess = load_model(folder)
    expected = network.predict(torch.stack([preprocess(stars / "3.jpg")]))[0].tolist()
    assert list(found[0]["probabilities"].values()) == pytest.approx(expected, abs=1e-6)
    assert (found[0]["class"], found[0]["probability"]) == ("star", found[0]["probabilities"]["star"])


def test_a_folder_of_classes_is_scored(folder: Path) -> None:
    *predictions, scores = events(folder, folder / "photos" / "test")
    assert len(predictions) == scores["images"] == 36
    right = [line["class"] == line["true_class"] for line in predictions]
    assert scores["accuracy"] == np.mean(right) > 0.9
    assert [one["name"] for one in scores["classes"]] == list(CLASSES)
    assert np.sum(scores["confusion"]) == 36
    low, high = scores["interval"]
    assert 0.5 < low < scores["accuracy"] <= high <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn import metrics

    true, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    scores = compute_scores(metrics.confusion_matrix(true, predicted, labels=range(4)), "abcd")
    present = np.unique(true)
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    f1 = metrics.f1_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert scores.macro_f1 == pytest.approx(f1)
    every: dict[str, Any] = {"labels": range(4), "average": None, "zero_division": np.nan}
    for name, expected in (
        ("recall", metrics.recall_score(true, predicted, **every)),
        ("precision", metrics.precision_score(true, predicted, **every)),
    ):
        found = [getattr(one, name) for one in scores.classes]
        np.testing.assert_allclose([np.nan if one is None else one for one in found], expected)
    recalls = [one.recall for one in scores.classes if one.recall is not None]
    assert scores.balanced_accuracy == pytest.approx(np.mean(recalls))


def test_the_interval_is_wilsons() -> None:
    scores = compute_scores(np.array([[8, 2], [0, 0]]), "ab")
    assert scores.interval == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe 1998's method 3


def test_a_table_has_aligned_columns_and_ends_with_the_scores(folder: Path) -> None:
    lines = printed(folder, "table", folder / "photos" / "test").splitlines()
    assert re.split(r" {2,}", lines[0]) == ["image", "true class", "class", "probability", "then"]
    column = lines[0].index("probability")
    assert all(re.match(r"\d+\.\d%", line[column:]) for line in lines[1:37])
    assert lines[38].startswith("36 images: accuracy ")
    assert "confusion matrix: a row for each true class, a column for each predicted one" in lines
    assert [line.split()[0] for line in lines[-3:]] == list(CLASSES)


def test_many_classes_have_their_most_frequent_confusions_printed() -> None:
    from trainer.predict import _make_writer

    confusion = np.eye(30, dtype=np.int64)
    confusion[3, 4], confusion[5, 6] = 2, 7
    names = [f"class {number}" for number in range(30)]
    stream = io.StringIO()
    writer = _make_writer("table", Report(stream), names, [(Path("x"), 0)])
    writer.scores(compute_scores(confusion, names))
    last = [re.split(r" {2,}", line) for line in stream.getvalue().splitlines()[-3:]]
    assert last == [
        ["true", "predicted", "images"],
        ["class 5", "class 6", "7"],
        ["class 3", "class 4", "2"],
    ]


def test_csv_has_a_column_for_each_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(folder, "csv", folder / "photos" / "test"))))
    assert len(rows) == 36
    assert list(rows[0]) == ["image", "true_class", "class", "probability", *CLASSES]
    assert sum(float(rows[0][name]) for name in CLASSES) == pytest.approx(1)
    assert "36 images: accuracy" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_named_after_the_others_are_predicted(
    folder: Path, forked: Forked, tmp_path: Path
) -> None:
    photos = tmp_path / "given"
    photos.mkdir()
    Image.new("RGB", (30, 20), (220, 50, 50)).save(photos / "good.jpg")
    (photos / "bad.jpg").write_text("no image")
    (photos / "notes.txt").write_text("")
    code, lines, stderr = forked("predict", str(folder), str(photos), "--json", "--device", "cpu")
    assert code == 2
    assert [line["event"] for line in lines] == ["unreadable", "prediction", "error"]
    assert (lines[0]["image"], lines[1]["image"]) == (str(photos / "bad.jpg"), str(photos / "good.jpg"))
    assert f"cannot read the image {photos / 'bad.jpg'}: it is not an image" in lines[-1]["message"]
    assert f"not read: 1 other entry of {photos}" in stderr


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("train", "has a folder train, which is not one of the model's 3 classes"),
        ("star", "has no images"),
        (None, "no file or folder"),
    ],
)
def test_a_folder_that_does_not_fit_the_model_is_refused(
    folder: Path, tmp_path: Path, inside: str | None, why: str
) -> None:
    photos = tmp_path / "given"
    if inside:
        (photos / inside).mkdir(parents=True)
    with pytest.raises(InvalidConfig, match=why):
        printed(folder, "table", photos)
