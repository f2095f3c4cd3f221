"""A study that names no network says why, in its last words and in its report."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.search import loop
from orchestrator.search.baseline import BaselineFailed
from results import study_record, study_words
from tests.orchestrator._studies import run

FRONT: dict[str, Any] = {"minimise": "macs", "maximise": "accuracy", "trials": 8, "confirm": 2}


def reported(folder: Path) -> str:
    """What the study was asked and what it found, in the report's words."""
    study = study_record.read_study(folder / "results.db", "s")
    return " ".join((*study_words.describe_settings(study), *study_words.describe_result(study)))


@pytest.mark.parametrize(
    ("given", "words", "advice"),
    [
        (
            FRONT | {"min_accuracy": 0.95},
            "no network has reached the required accuracy (6 missed the required accuracy of "
            "95.00%, the best of them with 9",
            "try more --trials, or a lower required accuracy under another --study",
        ),
        (
            {"min_accuracy": 0.8, "data": "fake:crash=1", "trials": 3},
            "no training has succeeded (failed: 3 crashed)",
            "see nas-results show for the reasons",
        ),
        (
            {"min_accuracy": 0.98, "data": "fake:noise=0,crash=.4"},
            "no smaller network has reached the required accuracy (6 missed the required accuracy "
            "of 98.00%, the best of them with 90.",
            "try more --trials, or a lower required accuracy under another --study",
        ),
        (
            {"kind": "hpo", "data": "fake:crash=1", "trials": 3},
            "no training has succeeded (failed: 3 crashed)",
            "see nas-results show for the reasons",
        ),
    ],
    ids=["front", "all crashed", "some crashed", "hyperparameters"],
)
def test_a_search_that_names_nothing_says_why(
    tmp_path: Path, given: dict[str, Any], words: str, advice: str
) -> None:
    last = run(tmp_path, **given).splitlines()[-1]
    assert last.startswith(words)
    assert last.endswith(advice)
    assert words[1:] in reported(tmp_path)


def test_a_search_that_its_limit_kept_from_every_training_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MAX_UNTRAINED_IN_A_ROW", 20)
    space: dict[str, Any] = {"kind": "hpo", "subject": "resnet_budget", "space": "resnet_budget"}
    printed = run(tmp_path, **space, max_macs="1000", trials=4).splitlines()
    assert "the start has 150.99 M MACs, over --max-macs 1000" in printed
    assert "within the limits: none of 300 sampled networks" in printed
    assert printed[-1] == (
        "every candidate was skipped before training, and none is within the limits (1 skipped before "
        "training (too large)); set a higher limit, under another --study"
    )


def test_a_bound_that_the_start_alone_keeps_is_not_called_missed(tmp_path: Path) -> None:
    printed = run(tmp_path, min_accuracy=0.89, data="fake:noise=0", trials=1)
    said = "no smaller network has reached the required accuracy (the start itself reached it); try more"
    assert said in printed


def test_the_report_of_a_study_whose_baseline_failed_says_so(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed):
        run(tmp_path, data="fake:crash=1")
    told = reported(tmp_path)
    assert "The required accuracy is that of the base network, which could not be trained." in told
    assert "The baseline failed, so the search did not start: trial 1, crashed" in told
    assert "no bound" not in told
    assert "Nothing smaller" not in told


def test_a_front_that_nothing_is_on_is_not_called_the_answer(tmp_path: Path) -> None:
    run(tmp_path, **FRONT, min_accuracy=0.95)
    assert "The result is a Pareto front" not in reported(tmp_path)
    run(tmp_path, **FRONT, study="f")
    study = study_record.read_study(tmp_path / "results.db", "f")
    assert "The result is a Pareto front" in study_words.describe_result(study)[0]
