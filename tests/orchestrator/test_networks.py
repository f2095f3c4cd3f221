"""What a search asks about networks that lack a scale, and about networks of the user's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.spec import base_model
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import OWN_TRAINER
from orchestrator.spec.study_spec import StudySpec, resolve_spec
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, TrainerClient, TrainerRefused, network_key
from tests.orchestrator._studies import settled

OWN = """
from torch import nn

def build(classes, channels=(16, 32)):
    wide = nn.Conv2d(3, channels[1], 3)
    return nn.Sequential(wide, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[1], classes))
"""


@pytest.fixture(scope="module")
def trainer_client() -> Iterator[TrainerClient]:
    """The real trainer; one process for all, since importing torch takes seconds."""
    with TrainerClient(OWN_TRAINER) as answering:
        yield answering


def spec(trainer_client: TrainerClient, folder: Path, subject: str, **given: str) -> StudySpec:
    images: dict[str, Any] = {"train_images": 400, "validation_images": 100}
    request = settled(folder, subject=subject, data="digits", study=None, **images, **given)
    return resolve_spec(request, base_model.find(subject, None), "cpu", trainer_client)


def values(spec: StudySpec) -> dict[str, int | None]:
    return {variable.name: variable.size for variable in spec.space.variables}


def test_a_scale_that_the_family_lacks_is_held_at_one(trainer_client: TrainerClient, tmp_path: Path) -> None:
    asked = spec(trainer_client, tmp_path, "googlenet")
    assert values(asked)["depth"] == 1
    assert (values(asked)["width"] or 0) > 1


def test_a_range_of_a_scale_that_the_family_lacks_is_refused(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    with pytest.raises(BadOption, match="googlenet has no depth to scale; omit --depth"):
        spec(trainer_client, tmp_path, "googlenet", depth=".5:2")


def test_a_file_s_network_names_study_and_model_and_has_its_path_made_absolute(
    trainer_client: TrainerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my net.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    asked = spec(trainer_client, tmp_path, "./my net.py:build", resolution="1")
    assert (asked.study_name, asked.save_as) == ("nas-my_net-digits", "nomad_my_net")
    assert asked.training.network == f"{tmp_path}/my net.py:build"
    assert values(asked) == {"depth": 1, "width": 5, "resolution": 1}
    assert asked.question(1)["source"] == asked.base.source


def test_a_function_of_another_name_is_part_of_the_model_s_name() -> None:
    assert base_model.find("nets/mine.py:wide", None).name == "mine_wide"


def test_a_changed_file_is_another_network(trainer_client: TrainerClient, tmp_path: Path) -> None:
    keys = set()
    for kernel in (3, 3, 5):
        (tmp_path / "mine.py").write_text(OWN.replace("3)", f"{kernel})"))
        asked = spec(trainer_client, tmp_path, f"{tmp_path}/mine.py:build", resolution="1")
        keys.add(key(asked.base, asked))
    assert len(keys) == 2


def test_architectures_of_one_family_are_networks_of_their_own(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    asked = spec(trainer_client, tmp_path, "resnet_budget")
    config = asked.training.config(Choices(asked.scale))
    others = [
        trainer_client.describe({**config, "architecture": {"stem_kernel": kernel}}) for kernel in (3, 5)
    ]
    assert key(others[0], asked) == key(asked.base, asked)
    assert key(others[1], asked) != key(asked.base, asked)


def test_networks_described_together_are_those_described_one_by_one(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    asked = spec(trainer_client, tmp_path, "senet18", width="0.25:1")
    points = list(asked.space)[::-37] * 2
    configs = [asked.training.config(asked.choice(point)) for point in points]
    assert trainer_client.describe_all(configs) == [trainer_client.describe(config) for config in configs]


def test_of_networks_described_together_the_first_that_is_refused_is_named(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    config = spec(trainer_client, tmp_path, "senet18").training.config(Choices({"width": 0.25}))
    refused = [{**config, "scale": {"resolution": factor}} for factor in (9.0, 10.0)]
    with pytest.raises(TrainerRefused, match="resolution 9 of"):
        trainer_client.describe_all([config, *refused])


def test_a_trainer_refuses_bad_data_with_words_of_one_line(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    corrupt, small = tmp_path / "corrupt.npz", tmp_path / "small.npz"
    corrupt.write_bytes(b"PK\x03\x04 and then nothing")
    np.savez(small, train_images=np.zeros((40, 16, 16, 3), np.uint8), train_labels=np.arange(40) % 4)
    cases = {
        "imagenet": "dataset 'imagenet' is not known; known: cifar10, csv, digits",
        "npz": "needs a path: npz:PATH",
        f"npz:{tmp_path / 'missing.npz'}": "missing.npz; give dataset npz:PATH",
        f"npz:{corrupt}": "write it again with numpy.savez",
        f"npz:{small}": "ask for fewer",
    }
    for dataset, words in cases.items():
        asked = TrialTemplate("senet18", dataset, 40, 20, TrialBudget(steps=1), data_folder=str(tmp_path))
        with pytest.raises(TrainerRefused, match=words) as refusal:
            trainer_client.describe(asked.config(Choices({"width": 0.125})))
        assert "\n" not in str(refusal.value)


def key(description: NetworkInfo, asked: StudySpec) -> str:
    return network_key(description, asked.training.config(Choices(asked.scale)))
