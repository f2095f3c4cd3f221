"""Whatever is typed, options are settled or refused in words."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.spec import search_options
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import RunOptions
from orchestrator.spec.search_options import SEARCHES

EXTREMES: dict[Any, list[Any]] = {
    int: [0, -1, 2**31, 2**63, 10**50],
    float: [float("inf"), -float("inf"), float("nan"), 1e308, 1e-320, 0.0, -1.0],
    str: [
        "1e400",
        "1e400G",
        "9" * 400,
        "nan",
        "inf",
        "1e-400",
        "1e309k",
        "0",
        "",
        "½",
        "٣",
        ".5:1e400",
        "1_0",
    ],
    list[str]: [[], ["mixup"], ['mixup={"alpha": 1e400}'], ["sam=" + "[" * 100_000]],
    bool: [False, True],
}
ANY: dict[Any, any_of.SearchStrategy[Any]] = {
    int: any_of.integers(),
    float: any_of.floats(),
    str: any_of.text(max_size=12),
    list[str]: any_of.lists(any_of.text(max_size=12), max_size=3),
    bool: any_of.booleans(),
}


def kinds(command: type[RunOptions]) -> Iterator[tuple[str, Any]]:
    """The options of a command that are no files, each with its kind."""
    for name, option in command.options().items():
        if option.kind in ANY and name not in ("base", "model", "server"):
            yield name, option.kind


def typed(command: type[RunOptions]) -> any_of.SearchStrategy[dict[str, Any]]:
    """Some options of a command, with values of their kinds."""
    values = {name: ANY[kind] | any_of.sampled_from(EXTREMES[kind]) for name, kind in kinds(command)}
    names = any_of.lists(any_of.sampled_from(sorted(values)), unique=True, max_size=3)
    return names.flatmap(lambda some: any_of.fixed_dictionaries({name: values[name] for name in some}))


def settled(kind: str, asked: dict[str, Any]) -> search_options.SearchOptions | None:
    """The request, or None where it is refused; nothing else may come of it."""
    try:
        return search_options.resolve_options(kind, "senet18", asked)
    except BadOption:
        return None


@pytest.mark.parametrize("kind", SEARCHES)
def test_each_extreme_value_alone_is_settled_or_refused(kind: str) -> None:
    for name, of in kinds(SEARCHES[kind]):
        for value in EXTREMES[of]:
            settled(kind, {name: value})


@pytest.mark.parametrize("kind", SEARCHES)
def test_options_of_a_search_are_settled_or_refused(kind: str) -> None:
    @given(typed(SEARCHES[kind]))
    def settle(asked: dict[str, Any]) -> None:
        request = settled(kind, asked)
        if request is not None:
            assert 0 < request.limits.timeout_seconds < float("inf")
            assert all(0 < most < float("inf") for most in request.aim.limits.values())

    settle()


@given(typed(EvaluationOptions))
def test_options_of_an_evaluation_are_settled_or_refused(asked: dict[str, Any]) -> None:
    with suppress(BadOption):
        assert EvaluationOptions.resolve({"model": ["senet18"], **asked}).names


def test_an_integer_too_large_for_the_record_is_refused() -> None:
    for name in ("trials", "seed", "slots", "replicates", "image_size", "train_images"):
        with pytest.raises(BadOption, match="out of range"):
            search_options.resolve_options("nas", "senet18", {name: 10**50})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(
            (name, "cannot be the name of a folder")
            for name in ("..", ".", "a/b", "a.", "a ", "ü..", " a", "a\n")
        ),
        *((name, "has 2.. bytes, more than 200") for name in ("a" * 201, "ü" * 101)),
        *(
            (name, "is that of a file in the folder of runs; give another")
            for name in ("results.db", "results.db-wal", "results.db-shm", "results.db.lock", "Results.DB")
        ),
        *((name, "is that of a file in the folder") for name in ("optuna.db", "s.lock", "results.db.s.lock")),
    ],
)
def test_a_name_that_cannot_be_a_folder_s_is_refused(name: str, said: str) -> None:
    for given_as in ("study", "save_as"):
        with pytest.raises(BadOption, match=said):
            search_options.resolve_options("nas", "senet18", {given_as: name})
    with pytest.raises(BadOption, match=said):
        EvaluationOptions.resolve({"model": ["senet18"], "study": name})


@pytest.mark.parametrize("name", ["a" * 200, "ü" * 100, "results", "results.dbs", "a.b c+d-1", "lock"])
def test_a_name_that_can_be_a_folder_s_is_taken(name: str) -> None:
    assert search_options.resolve_options("nas", "senet18", {"study": name}).study == name


def refusal(**asked: Any) -> str:
    with pytest.raises(BadOption) as refused:
        search_options.NasOptions.resolve({"base": "senet18", **asked})
    return str(refused.value)


@pytest.mark.parametrize("value", ["no", "yes", "false", "", 0, 1, 1.0])
def test_only_true_and_false_are_truth_values_so_no_demo_is_half_on(value: object) -> None:
    assert refusal(demo=value).endswith("is neither true nor false; give one of them")
    with pytest.raises(BadOption, match=r"--demo .* is neither true nor false"):
        EvaluationOptions.resolve({"demo": value})
    assert search_options.resolve_options("nas", "senet18", {"demo": False}).data is None
    assert search_options.resolve_options("nas", "senet18", {"demo": np.bool_(True)}).data == "digits"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"trials": True}, "--trials True is not a whole number; give one like 12"),
        ({"trials": 10.0}, "--trials 10.0 is not a whole number; give one like 12"),
        ({"trials": "1_0"}, "--trials 1_0 is not a whole number; give one like 12"),
        ({"trials": "40"}, '--trials "40" is not a whole number; give one like 12'),
        ({"trials": [1]}, "--trials [1] is not a whole number; give one like 12"),
        ({"trials": "9" * 5000}, "is not a whole number; give one like 12"),
        ({"tolerance": True}, "--tolerance True is not a number; give one like 0.5"),
        ({"tolerance": "0_1"}, "--tolerance 0_1 is not a number; give one like 0.5"),
        ({"tolerance": np.float64(2)}, "--tolerance 2.0 is not a fraction; 87% is 0.87"),
        ({"budget": 10}, "--budget: a budget of 10 has no unit; write 10s, 10m or 10steps"),
        ({"budget": True}, "--budget True is not text; write it in quotes"),
        ({"study": ["a"]}, "--study ['a'] is not text; write it in quotes"),
        ({"runs": 5}, "--runs 5 is not a path; write it in quotes"),
        ({"runs": ""}, '--runs "" is empty; give a path or a name'),
        ({"db": ""}, '--db "" is empty; give a path or a name'),
        ({"data_folder": ""}, '--data-folder "" is empty; give a path or a name'),
        ({"ingredient": [5]}, '--ingredient 5 is not a list of texts; give one like ["mixup", "sam"]'),
        ({"ingredient": 5}, '--ingredient 5 is not a list of texts; give one like ["mixup", "sam"]'),
        ({"fit": 3}, "--fit 3 is unknown; give one of crop, pad, squash"),
        ({"max_macs": -5}, "--max-macs -5 is not positive; give more than 0"),
        ({"max_params": "-5M"}, "--max-params -5M is not positive; give more than 0"),
        (
            {"train_images": "some"},
            "--train-images some is not a number of images; give one like 5000, a share",
        ),
        ({"train_images": -5}, "--train-images -5 is not a number of images"),
        ({"validation_images": "1.5"}, "--validation-images 1.5 is not a number of images"),
        ({"validation_images": "100%"}, "--validation-images 100% is not a number of images"),
        ({"draw": "random"}, "--draw random is unknown; give proportional or balanced"),
        ({"folds": 1}, "--folds 1 leaves nothing to train on; give 2 or more"),
        ({"folds": 5, "train_images": 5}, "--folds 5 uses all training images; omit it, or --train-images"),
        ({"folds": 5, "draw": "balanced"}, "--folds 5 uses all training images; omit it, or --train-images"),
        ({"solver": "foo"}, "--solver foo is unknown; give one of cmaes, "),
        ({"train-images": 5, "train_images": 5}, "train_images is given twice; give it once"),
        ({"train-image": 5}, "train-image is not an option of nas-search; see nas-search --help-all"),
    ],
)
def test_a_value_that_cannot_be_taken_is_told_in_our_words(asked: dict[str, Any], said: str) -> None:
    assert said in refusal(**asked)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({"trials": np.int64(5)}, 5),
        ({"tolerance": np.float32(0.25)}, 0.25),
        ({"tolerance": 0}, 0),
        ({"train-images": 50}, "50"),
        ({"train_images": "80%"}, "80%"),
        ({"validation_images": 0.2}, "0.2"),
        ({"folds": 0}, 0),
        ({"max_macs": 5_000_000}, "5000000"),
        ({"max_macs": np.int64(7)}, "7"),
        ({"ingredient": "mixup"}, ("mixup",)),
        ({"ingredient": np.array(["sam", "mixup"])}, ("sam", "mixup")),
        ({"ingredient": np.array([])}, ()),
        ({"runs": "x"}, Path("x")),
        ({"db": Path("x.db")}, "x.db"),
        ({"pruner": "none", "early_stop": 0}, None),
    ],
)
def test_a_value_in_another_form_is_taken_as_what_it_says(asked: dict[str, Any], taken: object) -> None:
    request = search_options.resolve_options("nas", "senet18", asked)
    assert getattr(request, list(asked)[-1].replace("-", "_")) == taken


def test_a_trainer_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my trainer.py").touch()
    request = search_options.resolve_options(
        "nas", "senet18", {"trainer": "python '~/my trainer.py' --data ~/x"}
    )
    assert request.trainer_command == ("python", f"{tmp_path}/my trainer.py", "--data", f"{tmp_path}/x")


def test_what_is_given_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAS_DB", "~/around.db")
    monkeypatch.setenv("HOME", "/home/me")
    assert search_options.resolve_options("nas", "senet18", {}).database == "/home/me/around.db"
    assert search_options.resolve_options("nas", "senet18", {"db": "given.db"}).database == "given.db"
    assert EvaluationOptions.resolve({"model": "a", "folder": "x"}).database == "/home/me/around.db"
    monkeypatch.setenv("NAS_DB", "")
    assert search_options.resolve_options("nas", "senet18", {"runs": "x"}).database == "x/results.db"


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_demo_does_the_same_on_any_machine_unless_more_is_asked_of_it(kind: str) -> None:
    demo = search_options.resolve_options(kind, "senet18", {"demo": True})
    assert demo.budget.endswith("steps")
    assert (demo.block, demo.pruner) == (2, "none")
    assert search_options.resolve_options(kind, "senet18", {"demo": True, "trials": 1}).block == 1
    for asked in ({"early_stop": 0.1}, {"audit": 0.2}, {"pruner": "median"}):
        stopping = search_options.resolve_options(kind, "senet18", {"demo": True, **asked})
        assert stopping.pruner in (None, "median")
