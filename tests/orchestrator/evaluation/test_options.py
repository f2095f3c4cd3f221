"""What an evaluation is asked: defaults, the demo, the lists, and what cannot be."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.evaluation.options import TABLE_1, EvaluationOptions
from orchestrator.spec.command_options import BadOption


def test_the_list_table1_is_the_papers_seventeen_classifiers() -> None:
    assert len(set(TABLE_1)) == 17
    assert EvaluationOptions.resolve({"models": "table1"}).names == TABLE_1
    assert EvaluationOptions.resolve({"models": "table1", "model": ["resnet9", "vgg19"]}).names[:2] == (
        "resnet9",
        "vgg19",
    )
    assert len(EvaluationOptions.resolve({"models": "table1", "model": ["resnet9", "vgg19"]}).names) == 18


def test_a_demo_gives_way_to_what_the_user_gives() -> None:
    demo = EvaluationOptions.resolve({"demo": True, "runs": 5, "model": ["resnet9"]})
    assert (demo.names, demo.runs_of_each, demo.data) == (("resnet9",), 5, "digits")
    assert EvaluationOptions.resolve({"demo": True, "models": "table1"}).names == TABLE_1


@pytest.mark.parametrize("no_test", [False, True])
def test_the_demos_runs_fit_the_images_that_it_has(no_test: bool) -> None:
    demo = EvaluationOptions.resolve({"demo": True, "no_test": no_test})
    each = int(demo.train_images or 0) + int(demo.validation_images or 0)
    assert 0 < each * demo.runs_of_each <= 5000


def test_validation_images_are_held_out_only_where_nothing_else_measures() -> None:
    assert EvaluationOptions.resolve({"model": ["a"]}).validation_images is None
    assert EvaluationOptions.resolve({"model": ["a"]}).usual_images == (5000, 0)
    assert EvaluationOptions.resolve({"model": ["a"], "no_test": True}).validation_images == "1000"
    assert EvaluationOptions.resolve({"model": ["a"], "no_test": True, "folds": 5}).validation_images is None
    assert EvaluationOptions.resolve({"model": ["a"], "validation_images": 50}).validation_images == "50"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"model": ["resnet9"]}, "evaluation-resnet9-cifar10"),
        ({"models": "table1", "recipe": ["a", "b"]}, "evaluation-table1-a+b-cifar10"),
        ({"model": ["a", "b", "c"], "ensemble": 6}, "evaluation-a+2-ensemble6-cifar10"),
        ({"demo": True}, "evaluation-senet18+resnet18-demo"),
        ({"demo": True, "study": "mine"}, "mine"),
    ],
)
def test_a_study_is_named_by_what_it_evaluates(given: dict[str, Any], name: str) -> None:
    request = EvaluationOptions.resolve(given)
    assert request.study_name(request.names, "cifar10") == name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": []}, "nothing to evaluate; give --model NAME, --models table1 or --demo"),
        ({"models": "table2"}, "--models table2 is not a list of models; there is table1"),
        ({"runs": 0}, "--runs 0 is too few; give at least 1"),
        ({"no_test": True, "validation_images": 0}, "measures nothing; give --validation-images 1000"),
        ({"ensemble": 1}, "--ensemble 1 is too few; give at least 2"),
        ({"ensemble": 3, "vote": "loud"}, "--vote loud is unknown; give soft or hard"),
        ({"vote": "soft"}, "--vote soft is for --ensemble; give both"),
        ({"ensemble": 3, "ingredient": ["ensemble=null"]}, "both set the ensemble; give one"),
        ({"precision": "fp8"}, "--precision fp8 is unknown; give one of auto, fp32, bf16, fp16"),
        ({"ingredient": ["sam=1"]}, "--ingredient: 'sam=1' has settings that are not a JSON object"),
        (
            {"csv": Path("/no/such/folder/table.csv")},
            "the folder of --csv /no/such/folder/table.csv does not exist",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        EvaluationOptions.resolve({"model": ["senet18"], **given})


def test_runs_and_folder_mean_in_python_what_they_mean_when_typed() -> None:
    asked = EvaluationOptions.resolve({"model": "senet18", "runs": 2, "folder": "here"})
    assert (asked.names, asked.runs_of_each, asked.runs) == (("senet18",), 2, Path("here"))
    told = EvaluationOptions.options()
    assert [(told[name].keyword, told[name].name) for name in ("runs", "folder")] == [
        ("runs", "runs_of_each"),
        ("folder", "runs"),
    ]
    with pytest.raises(BadOption, match=r"^runs_of_each is not an option of nas-evaluate; give runs$"):
        EvaluationOptions.resolve({"model": "senet18", "runs_of_each": 2})
