"""Trainings that start from the weights of an earlier one, and what is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.thinned import rest_slow
from tests.trainer._saved import CLASSES, TINY, change_description, make_photos, train_and_save
from tests.trainer.configs import trial
from tests.trainer.test_checkpoint import Dying, Killed, events, told
from tests.trainer.test_models_own import NETWORK, own
from trainer import checkpoint as checkpoints
from trainer import config, data, describe
from trainer.checkpoint import Checkpoint
from trainer.device import resolve_device
from trainer.errors import InvalidConfig, InvalidModel
from trainer.report import Report
from trainer.setup import TrialSetup, set_up
from trainer.trial import Trained

pytestmark = pytest.mark.usefixtures("digits_drawn_once")

SOURCE: dict[str, Any] = {
    **TINY,
    "scale": {"resolution": 0.5},
    "recipe": "resnet9_baseline",
    "subset": {"train": 60, "validation": 40, "seed": 0},
    "hyperparameters": {"batch_size": 20, "optimizer": "adam", "learning_rate": 0.02},
    "budget": {"steps": 3},
}
BARELY = {"budget": {"steps": 1}, "hyperparameters": {"batch_size": 8, "learning_rate": 1e-9}}
FITTED: dict[str, Any] = {"patch_whitening": {}, "celu": {}}
VOTING = {"ensemble": {"members": 2}, "ema": {}}


def init(folder: Path, /, **changes: Any) -> dict[str, Any]:
    """The key of trial.json that starts a training from the network in a folder."""
    held = json.loads((folder / "model.json").read_text())["weights"]["sha256"]
    return {"init": {"folder": str(folder), "sha256": held} | changes}


def set_up_as(**changes: Any) -> TrialSetup:
    parsed = config.from_json(trial(**changes))
    return set_up(parsed, data.about(parsed.dataset), resolve_device(parsed))


def tensors(folder: Path, member: int) -> dict[str, Tensor]:
    """The weights of one network in a folder."""
    held = safetensors.torch.load_file(folder / "model.safetensors")
    prefix = f"members.{member}."
    return {name.removeprefix(prefix): held[name] for name in held if name.startswith(prefix)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network of digits."""
    folder = tmp_path_factory.mktemp("trained")
    train_and_save(folder, **SOURCE)
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Trained]:
    """How photos of three colours are trained on, and the folder of a network that knows them."""
    folder = tmp_path_factory.mktemp("photos")
    changes = make_photos(folder / "photos") | {"test": True}
    return changes, folder, train_and_save(folder, **changes)


def test_a_training_that_starts_from_weights_is_at_once_as_accurate(
    photos: tuple[dict[str, Any], Path, Trained], tmp_path: Path
) -> None:
    changes, folder, before = photos
    assert before.final["test_accuracy"] > 0.9, "the colours are easy to tell apart"
    after = train_and_save(tmp_path, **changes | BARELY | {"seed": 5} | init(folder))
    drawn = train_and_save(tmp_path, **changes | BARELY | {"seed": 5})
    assert after.final["test_accuracy"] == pytest.approx(before.final["test_accuracy"], abs=0.06)
    assert drawn.final["test_accuracy"] < 0.7


@pytest.mark.parametrize("ingredients", [FITTED, VOTING])
def test_every_network_starts_from_its_own_weights_and_nothing_is_fitted_again(
    ingredients: dict[str, Any], tmp_path: Path
) -> None:
    changes = SOURCE | {"ingredients": ingredients, "budget": {"steps": 4}}
    train_and_save(tmp_path, **changes)
    setup = set_up_as(**changes | init(tmp_path) | {"seed": 9})
    for member in range(2 if ingredients == VOTING else 1):
        state = setup.new_state(member)
        for name, tensor in tensors(tmp_path, member).items():
            assert torch.equal(state.network.state_dict()[name], tensor), name
            assert torch.equal(state.eval_network.state_dict()[name], tensor), name


def test_other_classes_are_refused_unless_the_last_layer_is_new(
    photos: tuple[dict[str, Any], Path, Trained], tmp_path: Path
) -> None:
    changes, folder, _ = photos
    for part in ("train", "test"):
        for name, other in zip(CLASSES[:2], ("ash", "oak"), strict=True):
            shutil.copytree(folder / "photos" / part / name, tmp_path / "trees" / part / other)
    trees = changes | {
        "dataset": f"folder:{tmp_path / 'trees'}",
        "subset": {**changes["subset"], "train": 18},
    }
    words = r"tells apart \['circle', 'square', 'star'\], the data have \['ash', 'oak'\]; give --new-head"
    with pytest.raises(InvalidConfig, match=words):
        set_up_as(**trees | init(folder))
    asked = trees | init(folder, new_head=True)
    setup = set_up_as(**asked)
    network, held = setup.network().state_dict(), tensors(folder, 0)
    assert setup.initial is not None
    fresh = set(setup.initial.fresh)
    assert fresh == {"5.linear.weight", "5.linear.bias"}
    assert {len(network[name]) for name in fresh} == {2}
    assert all(torch.equal(network[name], held[name]) for name in held.keys() - fresh)
    tuned = train_and_save(tmp_path, **asked)
    assert tuned.final["test_accuracy"] > 0.9
    began = json.loads((tmp_path / "model.json").read_text())["training"]["init"]
    assert began == {"sha256": asked["init"]["sha256"], "new_head": True}


def test_the_same_number_of_other_classes_is_another_list(copied: Path) -> None:
    change_description(copied, classes=[f"digit {n}" for n in range(10)])
    with pytest.raises(InvalidConfig, match="--new-head"):
        set_up_as(**SOURCE | init(copied))
    drawn, anew = (set_up_as(**SOURCE | more).network() for more in ({}, init(copied, new_head=True)))
    new_layer = [network.state_dict()["5.linear.weight"] for network in (drawn, anew)]
    assert not torch.equal(new_layer[1], tensors(copied, 0)["5.linear.weight"])
    assert new_layer[0].shape == new_layer[1].shape


@pytest.mark.parametrize("ingredients", rest_slow([{}, VOTING], [VOTING]))
def test_a_killed_training_goes_on_from_its_checkpoint_and_not_from_the_weights_again(
    ingredients: dict[str, Any], tmp_path: Path
) -> None:
    changes = SOURCE | {"ingredients": ingredients, "budget": {"steps": 8}}
    train_and_save(tmp_path, **changes)
    parsed = config.from_json(trial(**changes | init(tmp_path)))
    path, at = tmp_path / "checkpoint.pt", 6
    with pytest.raises(Killed):
        events(parsed, Dying(path, parsed, at))
    whole = told(events(parsed))
    assert told(events(parsed, Checkpoint(path, parsed, 60))) == whole
    assert whole != told(events(config.from_json(trial(**changes))))


def test_a_checkpoint_is_of_the_weights_that_it_began_with_wherever_they_are(copied: Path) -> None:
    here = config.from_json(trial(**SOURCE | init(copied)))
    moved = config.from_json(trial(**SOURCE | init(copied, folder="/elsewhere")))
    other = config.from_json(trial(**SOURCE | init(copied, sha256="0" * 64)))
    alone = config.from_json(trial(**SOURCE))
    prints = [checkpoints.fingerprint(parsed) for parsed in (here, moved, other, alone)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "resnet9", "architecture": {}}, "has model 'resnet_budget', this one has 'resnet9'"),
        ({"architecture": {"layers": 1, "blocks": [2], "channels": 8}}, r"has blocks \[1\], this one has"),
        ({"scale": {"width": 2.0, "resolution": 0.5}}, r"has channels \[8\], this one has \[16\]"),
        ({"architecture": {**TINY["architecture"], "kernel": 5}}, "has architecture .*'kernel': 3"),
        ({"ingredients": {"ensemble": {"members": 2}}}, "has members 1, this one has 2"),
        ({"ingredients": {"patch_whitening": {}}}, r"has changes \(\), this one has \(PatchWhitening"),
    ],
)
def test_weights_of_another_network_are_refused(trained: Path, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"init: the network in .* {why}.*; give the same network"):
        set_up_as(**SOURCE | init(trained) | changes)


def test_weights_that_have_changed_or_are_gone_are_refused(copied: Path) -> None:
    asked = init(copied)
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(InvalidModel, match="is not the file that the training was to start from"):
        set_up_as(**SOURCE | asked)
    weights.unlink()
    with pytest.raises(InvalidModel, match=r"cannot read .*model\.safetensors: No such file"):
        set_up_as(**SOURCE | asked)
    (copied / "model.json").unlink()
    with pytest.raises(InvalidModel, match=r"no model\.json in"):
        set_up_as(**SOURCE | asked)


def test_weights_that_were_torn_before_their_checksum_was_taken_are_refused(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(InvalidModel, match=r"cannot read .*model\.safetensors.*; copy it again"):
        set_up_as(**SOURCE | init(copied, sha256=digest))


def test_a_network_in_a_file_starts_from_weights_of_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    mine = {"model": own(tmp_path, NETWORK), "scale": {"resolution": 0.5}}
    train_and_save(folder, **mine)
    state = set_up_as(**mine, **init(folder)).network().state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors(folder, 0).items())
    (tmp_path / "moved").mkdir()
    moved = {**mine, "model": own(tmp_path / "moved", NETWORK)}
    assert set_up_as(**moved, **init(folder)).initial is not None
    changed = {**mine, "model": own(tmp_path, NETWORK + "\n")}
    with pytest.raises(InvalidConfig, match="has source"):
        set_up_as(**changed, **init(folder))


def test_describe_tells_what_would_be_new_and_refuses_what_a_training_would(
    trained: Path, tmp_path: Path
) -> None:
    asked = init(trained, new_head=True)["init"]
    wrong = {**asked, "sha256": "0" * 64}
    paths = []
    for number, given in enumerate((asked, wrong, {})):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(trial(**SOURCE, init=given)))
    with (tmp_path / "told").open("w") as stream:
        describe.describe(Report(stream), check_data=False, timed=False, paths=paths)
    lines = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["model", "error", "model"]
    assert lines[0]["fresh"] == ["5.linear.weight", "5.linear.bias"]
    assert lines[2]["initialises"] is True
    assert "fresh" not in lines[2]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "init must be a JSON object"),
        ({"folder": "x"}, "init lacks sha256"),
        ({"folder": "x", "sha256": "0", "new_head": 1}, "new_head must be true or false"),
        ({"folder": "x", "sha256": "0", "head": True}, "unknown key 'head' in init"),
    ],
)
def test_a_key_that_is_no_init_is_refused(given: Any, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why):
        config.from_json(trial(init=given))
