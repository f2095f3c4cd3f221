import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests._trying import OFTEN
from tests.trainer.configs import trial
from trainer import config
from trainer.errors import InvalidConfig
from trainer.recipes import Hyperparameters

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_what_is_left_out_takes_the_protocol_s_default() -> None:
    required = ("protocol", "model", "dataset", "subset", "budget", "seed")
    parsed = config.from_json({key: value for key, value in trial().items() if key in required})
    assert parsed.scale == config.Scale(1.0, 1.0, 1.0)
    assert parsed.recipe == "nomad_haet"
    assert parsed.hyperparameters == Hyperparameters()
    assert (parsed.clock, parsed.device, parsed.precision, parsed.test) == ("train", "auto", "auto", False)


@pytest.mark.parametrize("key", ["protocol", "model", "dataset", "subset", "budget", "seed"])
def test_a_required_key_left_out_is_named(key: str) -> None:
    value = trial()
    del value[key]
    with pytest.raises(InvalidConfig, match=f"lacks {key}"):
        config.from_json(value)


@pytest.mark.parametrize("inside", ["subset", "scale", "hyperparameters", "budget"])
def test_an_unknown_key_is_refused_with_the_known_ones(inside: str) -> None:
    value = trial()
    value[inside] = value[inside] | {"momentum": 0.9}
    with pytest.raises(InvalidConfig, match=f"unknown key 'momentum' in {inside}; known: "):
        config.from_json(value)


def test_an_unknown_key_at_the_top_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidConfig, match=r"unknown key 'epochs' in the configuration; known: .*budget"):
        config.from_json(trial(epochs=5))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("protocol", 2, "protocol 2 is not known"),
        ("model", "senet19", "wrn28_2, path/to/file.py:function"),
        ("model", ["senet18"], "must be a printable text"),
        ("dataset", "mnist", "known: cifar10, csv, digits, folder, npz, torchvision"),
        ("dataset", "npz", "needs a path: npz:PATH"),
        ("dataset", "digits:here", "takes no path"),
        ("dataset", "npz:a\0b", "printable text"),
        ("image_size", 4, "from 8 to 1024, not 4"),
        ("recipe", "secret", "known: best, budget5m_mixup"),
        ("clock", "wall", "known: train, strict"),
        ("seed", -1, "from 0"),
        ("seed", True, "whole number"),
        ("seed", 1.0, "whole number"),
        ("test", 1, "true or false"),
        ("keep_weights", "yes", "true or false"),
        ("provenance", [], "must be a JSON object"),
        ("budget", {}, "exactly one of"),
        ("budget", {"seconds": 1, "steps": 1}, "exactly one of"),
        ("budget", {"seconds": 0}, "above 0"),
        ("budget", {"steps": 5, "plan": [[0, 4]]}, "the one of a final line"),
        ("budget", {"steps": 5, "plan": [[1, 5]]}, "the one of a final line"),
        ("budget", {"steps": 5, "plan": [[0, 9], [0, 5]]}, "the one of a final line"),
        ("budget", {"steps": 5, "plan": [[0, 5.0]]}, "pairs of whole numbers"),
        ("budget", {"seconds": 5, "plan": [[0, 5]]}, "the one of a final line"),
        ("budget", {"seconds": float("nan")}, "not nan"),
        ("budget", {"seconds": float("inf")}, "not inf"),
        ("budget", {"seconds": 10**400}, "above 0"),
        ("budget", 10, "budget must be a JSON object, not 10"),
        ("subset", {"train": 0, "validation": 1, "seed": 0}, "train must be a whole number from 1"),
        ("scale", {"width": -1}, "width must be a number above 0"),
        ("scale", {"width": "1"}, "width must be a number above 0"),
        (
            "hyperparameters",
            {"optimizer": "tiger"},
            "known: adadelta, adagrad, sgd, adam, adamw, adamax, asgd, nesterov",
        ),
        ("hyperparameters", {"batch_size": 1}, "from 2"),
        ("subset", {"train": 1, "validation": 0, "seed": 0}, "nothing would be measured"),
        (
            "subset",
            {"train": 1, "validation": 1, "seed": 0, "part": -1},
            "part must be a whole number from 0",
        ),
        ("subset", {"train": 1, "validation": 1, "seed": 0, "draw": "odd"}, "known: balanced, proportional"),
        ("subset", {"train": 1, "validation": 1, "seed": 0, "curve": 2}, "curve 2 is more than validation 1"),
        ("subset", {"train": 1, "validation": 1, "seed": 0, "fold": 1}, "fold 1 needs folds"),
        ("subset", {"train": 1, "validation": 1, "seed": 0, "folds": 2, "fold": 2}, "fold 2 needs folds"),
        (
            "subset",
            {"train": 1, "validation": 1, "seed": 0, "folds": 2, "part": 1},
            "part is for draws without",
        ),
        ("engine", "turbo", "known: auto, graph, compiled_graph, eager, compile"),
        ("precision", "fp8", "known: auto, fp32, bf16, fp16"),
        ("ingredients", {"magic": {}}, "unknown key 'magic' in ingredients; known: alternating_flip"),
        ("ingredients", {"sam": 1}, "sam in ingredients must be a JSON object or null"),
        ("ingredients", [], "ingredients must be a JSON object"),
        ("hyperparameters", {"weight_decay": -0.1}, "from 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_would_do(key: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        config.from_json(trial(**{key: value}))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "1" * 5000, '{"protocol": 1}'])
def test_a_text_that_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig):
        config.parse(text)


def check_parsed_or_refused(value: dict[str, Any]) -> None:
    try:
        config.parse(json.dumps(value))
    except InvalidConfig as refused:
        said = str(refused)
        assert 10 < len(said) < 2000, said
        assert said.isprintable(), said  # one line


@OFTEN
@given(st.dictionaries(st.sampled_from(sorted(trial())), json_values, max_size=3))
def test_random_json_is_parsed_or_refused(changes: dict[str, Any]) -> None:
    check_parsed_or_refused(trial(**changes))


@OFTEN
@given(st.sampled_from(["subset", "scale", "hyperparameters", "budget"]), st.data())
def test_random_values_within_an_object_are_parsed_or_refused(inside: str, draws: st.DataObject) -> None:
    value = trial()
    key = draws.draw(st.sampled_from([*sorted(value[inside]), "other"]))
    value[inside] = value[inside] | {key: draws.draw(json_values)}
    check_parsed_or_refused(value)
