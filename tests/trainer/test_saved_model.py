"""Weights that are kept: what is loaded from the folder predicts exactly what the training's end did."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.thinned import rest_slow
from tests.trainer._saved import change_description, make_photos, train_and_save
from tests.trainer.configs import trial
from tests.trainer.conftest import Forked
from tests.trainer.test_models_own import NETWORK, own
from trainer import data, images, load_model, models, recipes, saved_model
from trainer.data._pictures import Unreadable
from trainer.errors import InvalidModel
from trainer.evaluate import evaluate
from trainer.ingredients import Vote
from trainer.report import Report

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

SMALL = {"depth": 1.0, "width": 0.125, "resolution": 0.5}
WEIGHT_CHANGERS: dict[str, dict[str, Any]] = {
    "whitening and celu": {"patch_whitening": {}, "celu": {}},
    "ghost norm and average": {"ghost_batch_norm": {"size": 5}, "ema": {}},
    "meta-learning": {"mltp": {}},
    "soft vote with views": {"ensemble": {"members": 2}, "ema": {}, "test_views": {}},
    "hard vote": {"ensemble": {"members": 3, "vote": "hard"}},
}


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_loaded_is_trained(folder: Path, **changes: Any) -> None:
    """Train, load, and compare the scores on the validation images bit by bit."""
    trained = train_and_save(folder, **changes)
    network, _ = load_model(folder)
    assert not network.training
    validation = trained.setup.objective.validation
    assert validation is not None
    score = evaluate([], network.predict, validation)
    assert (score.accuracy, score.loss) == (trained.final["val_accuracy"], trained.final["val_loss"])
    with torch.inference_mode():
        probabilities, logits = network.predict(validation.images), network(validation.images)
    torch.testing.assert_close(logits.softmax(1), probabilities, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("model", rest_slow(models.names(), ["resnet_budget", "senet18", "shufflenetg2"]))
def test_a_network_predicts_as_it_did_when_its_training_ended(model: str, tmp_path: Path) -> None:
    scale = {name: SMALL[name] for name in models.scales(model)}
    assert_loaded_is_trained(tmp_path, model=model, scale=scale, budget={"steps": 3})


@pytest.mark.parametrize("recipe", rest_slow(recipes.names(), ["best", "resnet9_sam_ip"]))
def test_a_network_of_each_recipe_predicts_as_it_did(recipe: str, tmp_path: Path) -> None:
    vote = recipes.load(recipe).one(Vote)
    scale = {"width": 0.125, "resolution": 0.5}
    steps = {"steps": vote.count if vote else 4}
    assert_loaded_is_trained(tmp_path, model="resnet9", scale=scale, recipe=recipe, budget=steps)


@pytest.mark.parametrize("changed", WEIGHT_CHANGERS)
def test_what_changes_weights_or_predictions_is_kept(changed: str, tmp_path: Path) -> None:
    assert_loaded_is_trained(
        tmp_path,
        model="resnet9",
        scale={"width": 0.125, "resolution": 0.5},
        recipe="resnet9_baseline",
        ingredients=WEIGHT_CHANGERS[changed],
    )


def test_settings_of_a_network_of_settings_are_kept(tmp_path: Path) -> None:
    settings = {"layers": 2, "blocks": [1, 2], "channels": 8, "kernel": 5}
    scale = {"resolution": 0.5}
    assert_loaded_is_trained(tmp_path, model="resnet_budget", architecture=settings, scale=scale)


def test_a_description_says_what_the_network_is_and_where_it_is_from(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    provenance = {"study": "nas-x", "trial": 7, "mean": {"accuracy": 0.9}}
    trained = train_and_save(tmp_path, **photos, provenance=provenance, test=True)
    held = json.loads((tmp_path / "model.json").read_text())
    assert (held["model"], held["recipe"], held["provenance"]) == (
        "resnet_budget",
        "resnet9_baseline",
        provenance,
    )
    assert held["classes"] == ["circle", "square", "star"]
    assert held["scores"]["test_accuracy"] == trained.final["test_accuracy"]
    assert (held["input"]["image_size"], held["input"]["resolution"], held["input"]["fit"]) == (
        24,
        18,
        "crop",
    )
    assert held["weights"]["bytes"] == (tmp_path / "model.safetensors").stat().st_size


def config_file(folder: Path, **changes: Any) -> Path:
    path = folder / "trial.json"
    path.write_text(json.dumps(trial(**changes)))
    return path


def test_weights_are_written_beside_trial_json_after_the_final_line_where_it_says_so(
    forked: Forked, tmp_path: Path
) -> None:
    code, lines, _ = forked("train", "--config", str(config_file(tmp_path)))
    assert (code, lines[-1]["event"]) == (0, "final")
    assert not list(tmp_path.glob("model.*"))
    config = config_file(tmp_path, keep_weights=True)
    code, lines, _ = forked("train", "--config", str(config), "--checkpoint", str(tmp_path / "checkpoint.pt"))
    assert (code, [line["event"] for line in lines[-2:]]) == (0, ["final", "weights"])
    files = ["model.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.glob("model*")) == files
    assert lines[-1]["bytes"] == sum((tmp_path / name).stat().st_size for name in files)


def test_a_disk_without_room_for_the_weights_costs_only_them(tmp_path: Path) -> None:
    config = config_file(tmp_path, keep_weights=True)
    words = [sys.executable, "-P", "-m", "trainer", "train", "--config", str(config)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    limited = ["sh", "-c", 'ulimit -f 60; exec "$@"', "sh", *words]  # files of 30 or 60 kB, by the shell
    done = subprocess.run(limited, capture_output=True, text=True, env=environment, check=False)
    *_, final, last = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, final["event"], last["event"]) == (0, "final", "warning")
    assert "the weights are not kept: [Errno 27] File too large" in last["message"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial.json"]


def test_a_report_that_has_no_room_either_does_not_fail_the_training(tmp_path: Path) -> None:
    saved_model.keep(train_and_save(tmp_path), tmp_path / "missing", Report(FullDisk()))


@pytest.mark.slow  # four trainings as programs
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("after", ["model.safetensors.new", "model.safetensors"])
def test_a_kill_while_weights_are_written_leaves_a_whole_network_or_none(
    number: signal.Signals, after: str, tmp_path: Path
) -> None:
    scale = {"width": 2.0, "resolution": 0.5}  # 180 MB, which take long enough to be written
    config = config_file(tmp_path, keep_weights=True, scale=scale, budget={"steps": 1})
    words = [sys.executable, "-P", "-m", "trainer", "train", "--config", str(config)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        while not (tmp_path / after).exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(number)
        assert process.stdout is not None
        events = [json.loads(line)["event"] for line in process.stdout]
    assert events[-1] in ("final", "weights")
    assert process.returncode in ((-9, 0) if number == signal.SIGKILL else (0,))
    if (tmp_path / "model.json").exists():
        load_model(tmp_path)
    else:
        with pytest.raises(InvalidModel, match=r"no model\.json"):
            load_model(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small network."""
    folder = tmp_path_factory.mktemp("saved")
    train_and_save(folder, budget={"steps": 1})
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copied"))


def test_weights_without_their_description_are_no_network(copied: Path) -> None:
    (copied / "model.json").unlink()
    with pytest.raises(InvalidModel, match=r'no model\.json in .*"keep_weights": true'):
        load_model(copied)


def test_weights_that_were_cut_off_are_refused(copied: Path) -> None:
    content = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(content[:-100])
    with pytest.raises(InvalidModel, match=rf"is not the file that .* of {len(content)} bytes"):
        load_model(copied)


def test_a_pickle_in_the_place_of_the_weights_is_refused_and_never_run(copied: Path, tmp_path: Path) -> None:
    class Owned:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    weights = copied / "model.safetensors"
    torch.save({"members.0": Owned()}, weights)
    content = weights.read_bytes()
    found = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change_description(copied, weights={"file": "model.safetensors", **found})
    with pytest.raises(InvalidModel, match=r"cannot read .*model\.safetensors"):
        saved_model.load(copied)
    assert not (tmp_path / "owned").exists()


def test_a_description_does_not_go_with_the_weights_of_a_later_training(copied: Path, tmp_path: Path) -> None:
    train_and_save(tmp_path, budget={"steps": 2})
    shutil.copy(tmp_path / "model.safetensors", copied)
    with pytest.raises(InvalidModel, match="is not the file that"):
        load_model(copied)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "has format 2, but this version reads format 1"),
        ({"model": "resnet19"}, "this version has no network 'resnet19'"),
        ({"classes": ["a"]}, "classes must be a list of two names or more"),
        ({"classes": ["a", "a"]}, "classes must be a list of two names or more, all different"),
        ({"classes": ["a", "b", "c"]}, "does not fit the network .*size mismatch"),
        ({"ingredients": {"ensemble": {}}}, "does not fit the network .*"),
        ({"ingredients": {"magic": {}}}, "unknown key 'magic' in ingredients"),
        ({"channels": [8, 16, 32, 65]}, "this version makes another network of resnet18"),
        ({"input": {}}, "input lacks rules"),
    ],
)
def test_a_description_of_another_network_is_refused(copied: Path, changes: dict[str, Any], why: str) -> None:
    change_description(copied, **changes)
    with pytest.raises(InvalidModel, match=why):
        load_model(copied)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.data())
def test_whatever_stands_in_a_description_it_is_loaded_or_refused(saved: Path, drawn: st.DataObject) -> None:
    path = saved / "model.json"
    whole = path.read_text()
    description = json.loads(whole)
    within = drawn.draw(st.sampled_from([description, description["input"], description["scale"]]))
    within[drawn.draw(st.sampled_from(sorted(within)))] = drawn.draw(ANYTHING)
    path.write_text(json.dumps(description))
    try:
        load_model(saved)
    except InvalidModel:
        pass
    finally:
        path.write_text(whole)


def test_a_network_of_the_users_own_comes_with_its_code_which_runs_only_if_it_is_trusted(
    tmp_path: Path,
) -> None:
    name = own(tmp_path, NETWORK)
    folder = tmp_path / "saved"
    folder.mkdir()
    trained = train_and_save(folder, model=name, scale={"resolution": 0.5})
    (tmp_path / "mine.py").unlink()
    with pytest.raises(InvalidModel, match=r"code of its own, .*network\.py, .* give --trust-code"):
        load_model(folder)
    network, _ = load_model(folder, trust_code=True)
    assert trained.setup.objective.validation is not None
    score = evaluate([], network.predict, trained.setup.objective.validation)
    assert score.loss == trained.final["val_loss"]
    (folder / "network.py").write_text(NETWORK + "\n")
    with pytest.raises(InvalidModel, match="this version makes another network"):
        load_model(folder, trust_code=True)


def test_code_that_changed_during_the_training_keeps_no_weights(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    trained = train_and_save(folder, model=own(tmp_path, NETWORK), scale={"resolution": 0.5})
    (tmp_path / "mine.py").write_text(NETWORK + "\n")
    told = io.StringIO()
    saved_model.keep(trained, folder, Report(told))
    assert "has changed since the training began" in json.loads(told.getvalue())["message"]
    assert [path.name for path in folder.iterdir()] == ["trial.json"]


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_an_image_file_becomes_what_it_was_in_the_training(fit: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos") | {"fit": fit, "budget": {"steps": 1}}
    trained = train_and_save(tmp_path, **photos, test=True)
    _, preprocess = load_model(tmp_path)
    paths = sorted((tmp_path / "photos" / "test").rglob("*.jpg"))
    tests = trained.setup.decoded.test_images
    assert tests is not None
    sizes = (24, trained.setup.objective.pixels)
    expected = images.to_device(tests, np.zeros(len(tests), np.int64), sizes, torch.device("cpu")).images
    for path, pixels in zip(paths, expected, strict=True):
        assert torch.equal(preprocess(path), pixels)
        with Image.open(path) as image:
            assert torch.equal(preprocess(image), pixels)


@pytest.mark.parametrize("door", ["csv", "zip", "torchvision"])
def test_images_of_every_door_become_what_they_were_in_the_training(door: str, tmp_path: Path) -> None:
    changes = make_photos(tmp_path / "eurosat" / "2750", images=10) | {"budget": {"steps": 1}}
    parts, paths = tmp_path / "eurosat" / "2750", list[Path]()
    for path in sorted(parts.rglob("*.jpg")):  # without train and test
        target = parts / path.parent.name / f"{path.parent.parent.name}{path.name}"
        target.parent.mkdir(exist_ok=True)
        paths.append(path.rename(target))
    for part in ("train", "test"):
        shutil.rmtree(parts / part)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}\n" for path in paths]
    (tmp_path / "table.csv").write_text("path,label\n" + "".join(rows))
    dataset = {
        "csv": f"csv:{tmp_path / 'table.csv'}",
        "zip": f"folder:{shutil.make_archive(str(tmp_path / 'packed'), 'zip', parts)}",
        "torchvision": "torchvision:EuroSAT",
    }[door]
    changes |= {"dataset": dataset, "data_dir": str(tmp_path)}
    trained = train_and_save(tmp_path, **changes, test=True)
    model, preprocess = load_model(tmp_path)
    assert preprocess.storage == "files"
    assert model.classes == ("circle", "square", "star")
    tests, labels = trained.setup.decoded.test_images, trained.setup.decoded.test_labels
    assert tests is not None
    assert labels is not None
    sizes = (24, trained.setup.objective.pixels)
    expected = images.to_device(tests, labels, sizes, torch.device("cpu")).images
    found = [preprocess(path) for path in paths]
    for pixels, label in zip(expected, labels.tolist(), strict=True):
        same = [path for path, made in zip(paths, found, strict=True) if torch.equal(made, pixels)]
        assert [path.parent.name for path in same] == [model.classes[label]]


@pytest.mark.parametrize(("versions", "apart"), [({}, 0), ({"images": 2}, 0), ({"images": 3}, 8)])
def test_a_large_photo_is_decoded_by_the_rules_of_the_training(
    versions: dict[str, int], apart: int, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos") | {"versions": versions, "budget": {"steps": 1}}
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
    path = tmp_path / "photos" / "test" / "circle" / "0.jpg"
    rough.resize((400, 300), Image.Resampling.BICUBIC).save(path, quality=90)
    trained = train_and_save(tmp_path, **photos, test=True)
    assert json.loads((tmp_path / "model.json").read_text())["input"]["rules"] == versions.get("images", 2)
    _, preprocess = load_model(tmp_path)
    tests = trained.setup.decoded.test_images
    assert tests is not None
    sizes = (24, trained.setup.objective.pixels)
    pixels = images.to_device(tests[:1], np.zeros(1, np.int64), sizes, torch.device("cpu")).images[0]
    assert torch.equal(preprocess(path), pixels)
    with Image.open(path) as image:
        assert torch.equal(preprocess(image), pixels)
        assert image.size == (400, 300)
        image.load()  # in full size, of which a reduced one differs by a few levels
        difference = (preprocess(image).int() - pixels.int()).abs().max()
    assert difference <= apart
    assert (difference > 0) == (apart > 0)


def test_an_image_becomes_what_it_was_in_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (80, 20, 30, 3), np.uint8)
    np.savez(tmp_path / "wide.npz", train_images=pictures, train_labels=np.arange(80) % 2)
    wide: dict[str, Any] = {"dataset": f"npz:{tmp_path / 'wide.npz'}", "image_size": 24, "fit": "pad"}
    train_and_save(tmp_path, **wide, subset={"train": 40, "validation": 20, "seed": 0}, budget={"steps": 1})
    _, preprocess = load_model(tmp_path)
    loaded = data.load(data.source(wide["dataset"], 24, fit="pad")).train_images[:5]
    expected = images.to_device(loaded, np.zeros(5, np.int64), (24, 12), torch.device("cpu")).images
    for picture, pixels in zip(pictures, expected, strict=False):
        assert torch.equal(preprocess(Image.fromarray(picture)), pixels)


def test_a_rotated_image_is_upright_and_the_callers_copy_stays_as_it_is(tmp_path: Path, saved: Path) -> None:
    _, preprocess = load_model(saved)
    rng = np.random.default_rng(0)
    upright = Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # to be rotated by 90 degrees clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "rotated.png", exif=exif)
    with Image.open(tmp_path / "rotated.png") as rotated:
        for _ in range(2):
            assert torch.equal(preprocess(rotated), preprocess(upright))
        assert rotated.size == (20, 30)
    assert torch.equal(preprocess(tmp_path / "rotated.png"), preprocess(upright))


def test_a_file_that_is_no_image_is_named_as_unreadable(tmp_path: Path, saved: Path) -> None:
    _, preprocess = load_model(saved)
    (tmp_path / "x.jpg").write_text("no image")
    with pytest.raises(Unreadable, match="it is not an image"):
        preprocess(tmp_path / "x.jpg")
    with Image.new("F", (8, 8)) as floats, pytest.raises(Unreadable, match="floats"):
        preprocess(floats)


def test_the_lines_that_the_page_shows_for_python_run(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2] / "docs" / "trained-networks.md"
    [lines] = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    Image.new("RGB", (20, 30)).save(tmp_path / "photo.jpg")
    shown = {'"nomad_senet18"': repr(str(saved)), '"photo.jpg"': repr(str(tmp_path / "photo.jpg"))}
    for path, real in shown.items():
        assert path in lines
        lines = lines.replace(path, real)
    exec(lines, {})
    assert re.fullmatch(r"\d 0\.\d+\n", capsys.readouterr().out)


def test_loading_leaves_the_random_state_and_needs_no_data(saved: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_model(saved)
    assert torch.equal(torch.rand(3), expected)


def test_the_weights_are_a_plain_safetensors_file(saved: Path) -> None:
    weights = safetensors.torch.load_file(saved / "model.safetensors")
    assert all(name.startswith("members.0.") for name in weights)
