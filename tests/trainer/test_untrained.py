"""Networks exported before they are trained, so that any device can time them."""

import json
from pathlib import Path

import pytest
import torch

from tests.trainer._saved import TINY
from tests.trainer.configs import trial
from tests.trainer.conftest import Forked
from trainer import config, models, untrained
from trainer.errors import InvalidConfig
from trainer.export import FORMATS


@pytest.mark.slow  # exporting takes seconds
@pytest.mark.parametrize("model", models.names())
@pytest.mark.parametrize("to", FORMATS)
def test_every_network_is_exported_untrained_as_it_computes(model: str, to: str, tmp_path: Path) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime", reason="needs pip install -e '.[export]'")
    scale = {name: {"depth": 1.0, "width": 0.125, "resolution": 0.5}[name] for name in models.scales(model)}
    asked = config.from_json(trial(model=model, scale=scale))
    path, check = untrained.export(asked, to, tmp_path / f"network.{to}")
    assert check.difference <= 1e-3
    assert check.images == "32 images of noise"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_the_command_writes_one_pass_of_each_network_that_votes(forked: Forked, tmp_path: Path) -> None:
    several = {"ensemble": {"members": 2}, "test_views": {}}
    (tmp_path / "trial.json").write_text(
        json.dumps(trial(**TINY, scale={}, ingredients=several, image_size=12))
    )
    code, [line], _ = forked("export", "--config", str(tmp_path / "trial.json"), "--to", "pt2", "--json")
    assert code == 0
    assert (line["event"], line["card"], line["check"]["images"]) == ("export", None, "32 images of noise")
    assert Path(line["file"]) == tmp_path / "model.pt2"
    assert Path(line["file"]).stat().st_size == line["bytes"]
    program = torch.export.load(line["file"])
    kinds = [str(node.target) for node in program.graph.nodes]
    assert kinds.count("aten.linear.default") == 2
    assert program.module()(torch.rand(3, 3, 12, 12)).shape == (3, 10)


def test_an_untrained_network_is_not_kept_as_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="no weights to keep as safetensors; give --to onnx or pt2"):
        untrained.export(config.from_json(trial(**TINY)), "safetensors", tmp_path / "x")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidConfig, match=r"cannot write .*file/network.pt2: .*; give another --output"):
        untrained.export(config.from_json(trial(**TINY)), "pt2", tmp_path / "file" / "network.pt2")
