"""Networks of the user's own: a function in a file. Everything wrong with one is refused with what to do."""

from pathlib import Path

import pytest
import torch

from tests.trainer import configs
from trainer import config, data, describe, models
from trainer.errors import InvalidConfig
from trainer.model_cost import cost

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "own_network.py"
NETWORK = """
from torch import nn

def build(classes, channels=(16, 32), blocks=(1, 2)):
    layers, before = [], 3
    for width, count in zip(channels, blocks):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
"""


def own(folder: Path, text: str, function: str = "build") -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return f"{path}:{function}"


def test_the_defaults_of_its_parameters_are_the_base_that_multipliers_scale(tmp_path: Path) -> None:
    name = own(tmp_path, NETWORK)
    base = models.realise(name, 1.0, 1.0, 1.0, 32)
    assert (base.channels, base.blocks) == ((16, 32), (1, 2))
    scaled = models.realise(name, 2.0, 1.5, 0.5, 32)
    assert (scaled.channels, scaled.blocks, scaled.resolution) == ((24, 48), (2, 4), 16)
    assert models.build(name, scaled, 7)(torch.rand(2, 3, 16, 16)).shape == (2, 7)


def test_a_scale_that_the_function_does_not_take_is_refused(tmp_path: Path) -> None:
    name = own(tmp_path, NETWORK.replace(", blocks=(1, 2)", ""))
    assert models.scales(name) == ("width", "resolution")
    with pytest.raises(
        InvalidConfig, match="no depth to multiply: its function takes no `blocks`; keep depth at 1"
    ):
        models.realise(name, 1.5, 1.0, 1.0, 32)


def test_a_function_of_the_classes_alone_is_a_network(tmp_path: Path) -> None:
    text = "from torch import nn\ndef net(classes, resolution):\n    "
    text += "return nn.Sequential(nn.Flatten(), nn.Linear(3 * resolution**2, classes))"
    name = own(tmp_path, text, "net")
    shape = models.realise(name, 1.0, 1.0, 0.5, 32)
    assert (shape.channels, shape.blocks, shape.resolution) == ((), (), 16)
    assert cost(name, shape, 10).macs == 3 * 16 * 16 * 10


def test_counting_a_network_leaves_the_random_state_alone(tmp_path: Path) -> None:
    name = own(tmp_path, NETWORK)
    before = torch.get_rng_state()
    cost(name, models.realise(name, 1.0, 1.0, 1.0, 8), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_description_changes_with_the_file(tmp_path: Path) -> None:
    settled = config.from_json(configs.trial(model=own(tmp_path, NETWORK), scale={}))
    about = data.about(settled.dataset)
    first = describe.model_fields(settled, about)
    own(tmp_path, NETWORK.replace("(16, 32)", "(16, 48)"))
    second = describe.model_fields(settled, about)
    assert first["source"] != second["source"]
    assert first["parameters"] < second["parameters"]
    assert first["scales"] == ["depth", "width", "resolution"]


def test_the_example_is_what_the_guide_shows_and_a_network() -> None:
    assert f"```python\n{EXAMPLE.read_text()}```" in (ROOT / "docs" / "extending.md").read_text()
    name = f"{EXAMPLE}:build"
    assert models.scales(name) == models.SCALES
    shape = models.realise(name, 1.4, 0.5, 0.5, 32)
    assert (shape.channels, shape.blocks) == ((16, 32, 64), (1, 3, 3))
    assert models.build(name, shape, 3)(torch.rand(2, 3, 16, 16)).shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no function build; define one: it must be like build"),
        ("def build(:", "the network of .*mine.py fails: SyntaxError"),
        ("import surely_not_installed", "mine.py, line 1, fails: ModuleNotFoundError"),
        ("def build(size): ...", "takes size; it must be like build"),
        ("def build(classes, width): ...", "takes classes, width; it must be like"),
        ("def build(classes, channels): ...", "a tuple of whole numbers above 0 as the default of channels"),
        ("def build(classes, channels=(16, 20)): ...", r"\(16, 20\) by default; give multiples of 8"),
        ("def build(classes): return 1", "returns int, not a torch.nn.Module"),
        ("def build(classes):\n    x = 1\n    raise KeyError('a')", "mine.py, line 3, fails: KeyError: 'a'"),
        ("from torch import nn\ndef build(classes): return nn.LazyLinear(classes)", "mine.* has lazy layers"),
        (
            "from torch import nn\ndef build(classes): return nn.Flatten()",
            r"returns \(1, 192\) for an image, not \(1, 10\): one logit per class",
        ),
        (
            "from torch import nn\ndef build(classes): return nn.Linear(5, classes)",
            "the network of .* fails: RuntimeError: .*shapes cannot be multiplied",
        ),
    ],
)
def test_a_file_that_makes_no_network_is_refused(tmp_path: Path, text: str, message: str) -> None:
    name = own(tmp_path, text)
    with pytest.raises(InvalidConfig, match=message):
        cost(name, models.realise(name, 1.0, 1.0, 1.0, 8), 10)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"cannot read .*none.py: No such file"):
        models.realise(f"{tmp_path}/none.py:build", 1.0, 1.0, 1.0, 32)
