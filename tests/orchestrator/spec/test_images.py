"""How many images are drawn: what options and data sets come to, and that what a refusal suggests works."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.spec import base_model, search_options
from orchestrator.spec.base_training import describe_data
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.images import with_images
from orchestrator.spec.options import RunOptions
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, TrainerRefused
from trainer import subset
from trainer.config import Subset
from trainer.errors import InvalidConfig

SUBJECT = base_model.find("senet18", None)
PLACEHOLDER = TrialTemplate("senet18", "folder:x", 1, 1, TrialBudget(steps=5))
SIZES = st.lists(st.integers(1, 400), min_size=2, max_size=9)


class Drawing:
    """Describes a network on classes of these sizes, and draws from them as the trainer does."""

    def __init__(self, *sizes: int, told: bool = True) -> None:
        self.sizes = {f"class{label}": size for label, size in enumerate(sizes)}
        classes = {"class_images": self.sizes} if told else {}
        dataset: dict[str, Any] = {"name": "folder:x", "train_images": sum(sizes), **classes}
        self.info = NetworkInfo("senet18", 1, "", 1, (), (), 32, 32, len(sizes), dataset)

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        try:
            subset.share(list(self.sizes.values()), Subset(**config["subset"]), list(self.sizes))
        except InvalidConfig as error:
            raise TrainerRefused(str(error)) from error
        return self.info

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        return [self.describe(config) for config in configs]


def asked(**given: Any) -> RunOptions:
    return search_options.NasOptions.resolve({"base": "senet18", **given})


def counts(found: TrialTemplate) -> tuple[int, int]:
    return found.train_images, found.validation_images


def resolved(data: Drawing, recorded: Mapping[str, Any] | None = None, **given: Any) -> TrialTemplate:
    return with_images(PLACEHOLDER, asked(**given), data.info, recorded)


def tried(data: Drawing, **given: Any) -> tuple[TrialTemplate | None, str]:
    """The training, or None and why it is refused."""
    try:
        return resolved(data, **given), ""
    except BadOption as error:
        return None, str(error)


@pytest.mark.parametrize(
    ("sizes", "given", "wanted"),
    [
        ((3000, 3000), {}, (5000, 1000)),
        ((5000, 900, 100), {}, (5000, 1000)),
        ((5000, 900, 99), {}, (4799, 1200)),
        ((5000, 900, 100), {"draw": "balanced"}, (240, 60)),
        ((1000, 1000), {}, (1600, 400)),
        ((60, 9), {"folds": 0}, (55, 14)),
        ((400, 150, 50), {"train_images": "all", "validation_images": 100}, (500, 100)),
        ((400, 150, 50), {"train_images": 500}, (500, 100)),
        ((400, 150, 50), {"train_images": 100}, (100, 120)),
        ((400, 150, 50), {"train_images": "80%"}, (480, 120)),
        ((400, 150, 50), {"train_images": ".5", "validation_images": ".25"}, (300, 150)),
        ((400, 150, 50), {"validation_images": 60}, (540, 60)),
        ((400, 150, 50), {"train_images": 100, "validation_images": "all"}, (100, 500)),
        ((400, 150, 50), {"train_images": "all", "draw": "balanced"}, (120, 30)),
        ((5000, 5000), {"train_images": 9500}, (9500, 500)),
        ((5000, 5000), {"train_images": "all"}, (9000, 1000)),
        ((5000, 5000), {"validation_images": 6000}, (4000, 6000)),
    ],
)
def test_numbers_shares_all_and_defaults_follow_from_the_data(
    sizes: tuple[int, ...], given: dict[str, Any], wanted: tuple[int, int]
) -> None:
    found = resolved(Drawing(*sizes), **given)
    assert counts(found) == wanted
    assert found.draw == given.get("draw", "proportional")
    assert (found.pool_images, found.folds) == (sum(sizes), None)
    Drawing(*sizes).describe(found.config(Choices({}), replicate=3))


@given(SIZES, st.sampled_from([None, 0, 2, 6, 11]))
def test_a_small_set_is_split_into_folds_that_the_repeats_hold_out_in_turn(
    sizes: list[int], folds: int | None
) -> None:
    data, whole = Drawing(*sizes), sum(sizes)
    found, refused = tried(data, folds=folds)
    if found is None:
        assert min(sizes) < 2 or (folds or 6) > whole, refused
        return
    wanted = folds if folds is not None else 6 if whole < 2000 else 0
    assert (found.folds or 0) == wanted
    if not wanted:
        return
    repeats = [found.config(Choices({}), replicate)["subset"] for replicate in range(2 * wanted)]
    assert [one["fold"] for one in repeats] == [*range(wanted), *range(wanted)]
    assert [one["seed"] for one in repeats] == [0] * wanted + [1] * wanted
    assert sum(one["validation"] for one in repeats) == 2 * whole
    for replicate, one in enumerate(repeats):
        data.describe(found.config(Choices({}), replicate))
        assert one["train"] >= found.train_images
        assert one["validation"] >= found.validation_images


IMAGES = st.one_of(
    st.none(), st.integers(0, 900).map(str), st.sampled_from(["all", ".1", "80%", "5000", "99.9%"])
)


@given(SIZES, IMAGES, IMAGES, st.sampled_from([None, "proportional", "balanced"]), st.integers(0, 99))
def test_what_a_search_is_told_to_give_instead_works_with_every_seed(
    sizes: list[int], train: str | None, validation: str | None, draw: str | None, replicate: int
) -> None:
    data, given = Drawing(*sizes), {"train_images": train, "validation_images": validation, "draw": draw}
    found, refused = tried(data, folds=None if any(given.values()) else 0, **given)
    if found is None:
        suggested = re.findall(r"--(train|validation)-images (\d+)", refused.partition("; give ")[2])
        if not suggested:
            assert min(sizes) < 2 or train == validation == "all", refused
            return
        assert re.search(r"'class\d+' has \d+ training image|comes to 0 images", refused)
        numbers = {"validation_images": "0", **{f"{name}_images": number for name, number in suggested}}
        found = resolved(data, draw=draw, **numbers)
        assert counts(found) == (int(numbers["train_images"]), int(numbers["validation_images"]))
    data.describe(found.config(Choices({}), replicate))


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=5),
    st.integers(1, 12),
    st.integers(1, 80),
    st.sampled_from([0, 5, 20]),
    st.sampled_from([None, "balanced"]),
)
def test_what_an_evaluation_is_told_to_give_instead_works_for_all_its_runs(
    sizes: list[int], runs: int, train: int, validation: int, draw: str | None
) -> None:
    data, given = Drawing(*sizes), {"train_images": train, "validation_images": validation, "draw": draw}

    def describe(**given: Any) -> None:
        request = EvaluationOptions.resolve({"model": "a", "batch_size": 2, **given})
        begun = TrialTemplate("a", "folder:x", 1, 0, TrialBudget(steps=5), test=True, disjoint=True)
        parts = request.runs_of_each
        found, _ = describe_data(begun, {}, request, data, SUBJECT, None, parts)
        for part in range(parts):
            data.describe(found.config(Choices({}), part))

    def refusal() -> str:
        try:
            describe(runs=runs, **given)
        except (BadOption, TrainerRefused) as refused:
            return str(refused)
        return ""

    if not (refused := refusal()):
        return
    if "at least 2" in refused:
        assert min(sizes) < 2
        assert validation
        return
    names = {"runs": "runs", "train-images": "train_images", "validation-images": "validation_images"}
    for remedy in refused.rpartition("; give ")[2].split(", or "):
        numbers = re.findall(r"--(\S+) (\d+)", remedy)
        assert numbers, refused
        describe(**{"runs": runs, **given, **{names[name]: int(number) for name, number in numbers}})


def test_a_study_of_an_older_version_goes_on_with_its_defaults_and_its_draw() -> None:
    data, older = Drawing(5000, 900, 100), {"train_images": 5000}
    found = resolved(data, older)
    assert (counts(found), found.draw, found.folds, found.pool_images) == ((5000, 1000), None, None, None)
    assert found.question().keys().isdisjoint({"draw", "folds", "pool_images"})
    assert found.config(Choices({}))["subset"] == {"train": 5000, "validation": 1000, "seed": 0}
    assert resolved(data, older, draw="proportional").draw == "proportional", "which is another question"
    newer = resolved(data)
    assert resolved(data, newer.question()) == newer


def test_learning_curves_use_a_thousand_of_all_other_images() -> None:
    subset = resolved(Drawing(5000, 5000), validation_images="all").config(Choices({}))["subset"]
    wanted = {"train": 5000, "validation": 5000, "seed": 0}
    assert subset == {**wanted, "draw": "proportional", "curve": 1000}
    assert resolved(Drawing(3000, 3000), validation_images="all").curve_images is None
    assert resolved(Drawing(5000, 5000), validation_images=5000).curve_images is None


def test_a_trainer_that_does_not_tell_the_classes_is_asked_as_before() -> None:
    found = resolved(Drawing(30_000, 20_000, told=False))
    assert (counts(found), found.draw, found.pool_images) == ((5000, 1000), None, 50_000)
    assert counts(resolved(Drawing(90, 60, told=False))) == (120, 30)
    for unknown in ({"draw": "balanced"}, {"folds": 5}):
        _, refused = tried(Drawing(90, 60, told=False), **unknown)
        assert refused.endswith("so it cannot be asked for a draw or for folds; omit --draw and --folds")


def test_the_class_is_named_with_numbers_that_work() -> None:
    _, refused = tried(Drawing(400, 120, 200), draw="balanced", train_images=5000, validation_images=60)
    assert refused == (
        "the class 'class1' has 120 training images, but 5000 for training and 60 for validation need 1687 "
        "of each class; give --train-images 300 --validation-images 60"
    )
