"""Exported networks: they compute what torch does, and run without this project by what their cards print."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.thinned import rest_slow
from tests.trainer._saved import TINY, make_photos, train_and_save
from tests.trainer.conftest import Forked
from tests.trainer.test_models_own import own
from trainer import images, load_model, model_card, models, saved_model
from trainer.data import FIRST_RULES, RULES
from trainer.errors import InvalidConfig, InvalidModel
from trainer.export import FORMATS, NAMES, Run, export
from trainer.preprocess import Preprocess

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

SMALL = {"depth": 1.0, "width": 0.125, "resolution": 0.5}
WITHOUT_PROJECT = """
import runpy, sys
for package in ("trainer", "orchestrator", "results", "search_spaces"):
    sys.modules[package] = None  # so that it cannot be imported
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(params=FORMATS)
def program_format(request: pytest.FixtureRequest) -> str:
    """A format that holds a program, if what writes it is installed."""
    if request.param == "onnx":
        pytest.importorskip("onnxruntime", reason="needs pip install -e '.[export]'")
    return str(request.param)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of the photos beside it, which has views, an average and a second resize."""
    root = tmp_path_factory.mktemp("export")
    changes = make_photos(root / "photos") | {"fit": "pad", "ingredients": {"test_views": {}, "ema": {}}}
    train_and_save(root, **changes, provenance={"study": "nas-x", "name": "nomad_resnet18"})
    return root


@pytest.mark.parametrize("model", rest_slow(models.names(), ["resnet9"]))
def test_every_network_is_exported_as_it_computes(model: str, program_format: str, tmp_path: Path) -> None:
    scale = {name: SMALL[name] for name in models.scales(model)}
    slow = {"batch_size": 20, "learning_rate": 0.01}  # with 25 steps, so that batch norm has seen enough
    train_and_save(tmp_path, model=model, scale=scale, budget={"steps": 25}, hyperparameters=slow)
    path, card, check = export(saved_model.load(tmp_path), tmp_path, program_format)
    assert check is not None
    assert check.difference <= 1e-3
    assert check.images == "32 images of digits"
    assert "32 images of digits: the same classes, logits of up to" in " ".join(card.read_text().split())
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name, card.name], "no data beside it"


@pytest.mark.slow  # exporting takes seconds
@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_networks_that_vote_are_one_file(vote: str, program_format: str, tmp_path: Path) -> None:
    several = {"ensemble": {"members": 2, "vote": vote}, "test_views": {"shift": 0}}
    train_and_save(tmp_path, **TINY, scale={"resolution": 0.5}, ingredients=several)
    _, _, check = export(saved_model.load(tmp_path), tmp_path, program_format)
    assert check is not None
    assert check.difference <= 1e-3


def test_the_program_on_the_card_predicts_as_the_training_did_without_this_project(
    photos: Path, program_format: str, tmp_path: Path
) -> None:
    path, card, _ = export(saved_model.load(photos), photos, program_format, tmp_path / "clean" / "network")
    [program] = re.findall(r"```python\n(.*?)```", card.read_text(), flags=re.DOTALL)
    assert len(program.splitlines()) <= 26, (
        "of which the padding of these photos takes four, and resizing three"
    )
    (path.parent / "run.py").write_text(program)
    pictures = sorted((photos / "photos" / "test").rglob("*.jpg"))[::5]
    words = [sys.executable, "-I", "-c", WITHOUT_PROJECT, "run.py", *map(str, pictures)]
    done = subprocess.run(words, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    network, preprocess = load_model(photos)
    expected = network.predict(torch.stack([preprocess(picture) for picture in pictures]))
    lines = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(map(str, pictures))
    assert [line[1] for line in lines] == [network.classes[row] for row in expected.argmax(1)]
    found = [float(line[2]) for line in lines]
    assert found == pytest.approx(expected.amax(1).tolist(), abs=2e-3)


@given(
    st.sampled_from(["files", "arrays"]),
    st.sampled_from(["crop", "pad", "squash"]),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.integers(8, 48),
    st.integers(8, 48),
    st.integers(FIRST_RULES, RULES),
    st.sampled_from(["png", "jpg"]),
)
def test_the_cards_lines_read_an_image_as_the_training_did(
    photos: Path,
    storage: Any,
    fit: Any,
    shape: tuple[int, int],
    size: int,
    resolution: int,
    rules: int,
    suffix: str,
) -> None:
    found = saved_model.load(photos)
    made = Preprocess(storage, fit, size, resolution, rules)
    model = saved_model.SavedModel(found.network, made, found.description)
    program = model_card.run_lines(model, "x.onnx", "pt2").partition("\nimages = ")[0]
    held: dict[str, Any] = {}
    exec(program, held)
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)
    path = photos / f"picture.{suffix}"
    Image.fromarray(pixels).save(path)
    read: NDArray[np.float32] = held["read"](path)
    assert read.dtype == np.float32
    apart = np.abs(read - made(path).numpy())
    assert apart.max() <= 1, "where a value lies exactly between two, either is right"
    assert apart.mean() <= 0.1, "of such values a small image may have some"


def test_a_card_says_what_is_known_of_the_network(photos: Path, tmp_path: Path) -> None:
    facts = {
        "accuracy": {"mean": 0.912, "interval": [0.9, 0.924], "runs": 5},
        "latency": [{"device": "Raspberry Pi 4", "batch": 1, "milliseconds": 12.5}],
    }
    model = saved_model.load(photos, views=False)
    _, card, _ = export(model, photos, "safetensors", tmp_path / "x", licence="CC BY 4.0 <b>", facts=facts)
    text = card.read_text()
    for line in (
        "# nomad_resnet18",
        "- study: nas-x",
        "- trainings of this network: mean 91.20% [90.00%, 92.40%], n 5",
        "- measured with the recipe's test-time views, which this file leaves out; measure it anew",
        "- measured latency: device Raspberry Pi 4, batch 1, milliseconds 12.5",
        "Licence of the training data, as given by its user: CC BY 4.0 \\<b\\>.",
        "- an image that is not square: it is padded with mid-grey, RGB (128, 128, 128)",
        "- then to 18 x 18 pixels (bilinear, antialiased, rounded)",
    ):
        assert line in text.splitlines()
    settings = model.description["hyperparameters"]
    assert f"- hyperparameters: optimizer {settings['optimizer']}, learning_rate" in text.replace("\\", "")
    assert re.search(r"^- ingredients: .*\bema\b", text, re.MULTILINE)


def test_safetensors_holds_the_weights_and_the_description(photos: Path, tmp_path: Path) -> None:
    path, _, check = export(saved_model.load(photos), photos, "safetensors", tmp_path / "x.safetensors")
    assert check is None
    with safetensors.safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["description"])
        names = set(file.keys())
    assert description == json.loads((photos / "model.json").read_text())
    with safetensors.safe_open(photos / "model.safetensors", "pt") as file:
        assert names == set(file.keys())


@pytest.mark.slow
def test_data_that_are_not_there_any_more_are_replaced_by_noise_and_the_card_says_so(
    photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "moved", ignore=shutil.ignore_patterns("photos"))
    (tmp_path / "moved" / "trial.json").unlink()
    model = saved_model.load(tmp_path / "moved")
    _, card, check = export(model, tmp_path / "moved", "pt2")
    assert check is not None
    assert check.images == "32 images of noise, because folder:photos cannot be read"
    assert "images of noise" in card.read_text()
    with pytest.raises(InvalidConfig, match="no folder"):
        export(model, tmp_path / "moved", "pt2", dataset=f"folder:{tmp_path}/gone")


@pytest.mark.slow
@pytest.mark.parametrize("is_earlier", [False, True])
def test_a_card_names_the_data_and_no_place_of_this_machine(
    photos: Path, tmp_path: Path, is_earlier: bool
) -> None:
    shutil.copytree(photos, tmp_path / "model", ignore=shutil.ignore_patterns("photos"))
    if is_earlier:  # then model.json had the whole path
        (tmp_path / "model" / "trial.json").unlink()
        described = json.loads((tmp_path / "model" / "model.json").read_text())
        described["training"]["dataset"] = f"folder:{photos}/photos"
        (tmp_path / "model" / "model.json").write_text(json.dumps(described))
    else:
        assert str(photos) not in (tmp_path / "model" / "model.json").read_text()
    _, card, check = export(saved_model.load(tmp_path / "model"), tmp_path / "model", "pt2")
    assert check is not None
    assert check.images == "32 images of folder:photos"
    assert "- training data: folder:photos" in card.read_text()
    assert str(photos) not in card.read_text()


def test_an_export_that_computes_something_else_is_not_kept(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_another(model: saved_model.SavedModel, path: Path) -> Run:
        path.touch()
        return lambda pixels: torch.as_tensor(model.network(255 - pixels))

    monkeypatch.setattr("trainer.export.FORMATS", {"pt2": write_another})
    with pytest.raises(InvalidModel, match="differs from torch: logits by up to"):
        export(saved_model.load(photos), photos, "pt2", tmp_path / "x.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_network_that_looks_at_values_is_refused_with_what_is_wrong(
    program_format: str, tmp_path: Path
) -> None:
    looking = """
    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, classes)

        def forward(self, images):
            means = images.mean((2, 3))
            return self.linear(means if means.sum() > 0 else -means)

    return Looking()
"""
    name = own(tmp_path, "from torch import nn\ndef build(classes):" + looking)
    saved = tmp_path / "saved"
    saved.mkdir()
    train_and_save(saved, model=name, scale={}, budget={"steps": 1})
    with pytest.raises(InvalidModel, match=r"torch cannot export this network: .*; nothing in its forward"):
        export(saved_model.load(saved, trust_code=True), saved, program_format)
    assert not list((saved / "export").iterdir())


def test_without_the_extra_the_export_to_onnx_says_what_to_install(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InvalidConfig, match=r"needs .*onnxscript.*; run: pip install onnx onnxscript"):
        export(saved_model.load(photos), photos, "onnx", tmp_path / "x.onnx")


def test_the_program_exports_and_says_what_it_wrote(photos: Path, forked: Forked, tmp_path: Path) -> None:
    target = tmp_path / "x.safetensors"
    given = ("export", str(photos), "--to", "safetensors", "--output", str(target), "--json")
    code, lines, _ = forked(*given)
    assert (code, [line["event"] for line in lines]) == (0, ["export"])
    assert (lines[0]["file"], lines[0]["card"]) == (str(target), f"{target}.md")
    assert lines[0]["bytes"] == target.stat().st_size
    (tmp_path / "facts.json").write_text("[]")
    code, lines, _ = forked(*given, "--facts", str(tmp_path / "facts.json"))
    assert (code, lines[-1]["message"]) == (2, f"{tmp_path / 'facts.json'} must hold a JSON object")


def test_every_format_has_a_name_on_the_command_line() -> None:
    assert set(NAMES) == {"onnx", "pt2", "safetensors"}


def test_images_of_the_check_are_those_of_the_training(photos: Path) -> None:
    from trainer.export import _find_images

    model = saved_model.load(photos)
    pixels, _ = _find_images(model, photos, None)
    first = model.preprocess(photos / "photos" / "train" / "circle" / "0.jpg")
    assert torch.equal(pixels[0], first.float())
    assert images.resize(pixels, 18).shape == (32, 3, 18, 18)
