import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.spec.command_options import BadOption
from orchestrator.study import plan
from orchestrator.trainer_client import TrainerRefused
from results.errors import QuestionChanged
from tests.orchestrator._studies import run, settled


def planned(folder: Path, **given: Any) -> str:
    printed = io.StringIO()
    plan.show_plan(settled(folder, plan=True, **given), Console(file=printed, width=200))
    return printed.getvalue()


def test_a_plan_says_what_a_search_would_cost(tmp_path: Path) -> None:
    printed = planned(tmp_path, trials=100, replicates=3, confirm=2, budget="600s", executor="local", slots=4)
    assert "100 = 3 of the base network, 97 of the search, up to 2 repeats per candidate included" in printed
    assert "16.67 device-hours of training, 4 at a time: 4.17 hours" in printed
    assert "candidates in the space: 5265" in printed


def test_a_plan_counts_the_networks_that_need_no_training(tmp_path: Path) -> None:
    printed = planned(tmp_path, depth="1", width="1", resolution=".5:1.5")
    assert "in a sample of 9 networks" in printed
    assert "skipped before training (not smaller than the base): 56%" in printed  # 32 to 48 pixels: 5 of 9


def test_a_plan_counts_the_networks_that_are_over_a_limit_of_parameters(tmp_path: Path) -> None:
    printed = planned(tmp_path, kind="hpo", subject="resnet_budget", space="resnet_budget", max_params=4000)
    match = re.search(r"skipped before training \(more than 4000 parameters\): (\d+)% of the space", printed)
    assert match
    assert 0 < int(match[1]) < 100


def test_a_plan_says_what_is_sought_and_which_share_each_limit_screens(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "minimise": "params",
        "max_macs": "500M",
        "max_latency_ms": 3.0,
        "tolerance": 0.005,
    }
    printed = planned(tmp_path, **asked)
    assert (
        "goal: fewest parameters, at most 500.00 M MACs, at most 3.000 ms, at an accuracy of at least"
        in printed
    )
    assert "the base network's minus 0.5 points" in printed
    for why in ("more than 500000000 MACs", "not smaller than the base"):
        match = re.search(rf"skipped before training \({why}\): (\d+)% of the space", printed)
        assert match
        assert 0 < int(match[1]) < 100
    assert "latency is measured during the search" in printed


def test_a_plan_of_a_front_says_what_is_kept_back_for_it(tmp_path: Path) -> None:
    printed = planned(tmp_path, minimise="macs", maximise="accuracy", trials=20)
    assert "trainings: 20 = 0 of the base network, 15 of the search, 5 reserved to retrain the" in printed


def test_a_plan_does_nothing(tmp_path: Path) -> None:
    planned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_takes_the_model_that_the_search_would_take(tmp_path: Path) -> None:
    run(tmp_path)
    printed = planned(tmp_path, kind="hpo", subject="nomad_senet18", study="h")
    assert "saved by the study s" in printed
    assert "learning_rate" in printed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"trials": 2, "replicates": 3},
            "--trials 2 leaves no training for the search after 3 of the base network",
        ),
        ({"subject": "nosuch"}, "no network 'nosuch'; choose from"),
        ({"solver": "cmaes", "minimise": "macs", "maximise": "accuracy"}, "--solver cmaes handles one"),
        (
            {"max_macs": "1"},
            "--max-macs 1 excludes every network: the smallest has 4.72 M MACs; give a higher",
        ),
        ({"warm_start": "x"}, "--warm-start x: no such study in"),
    ],
    ids=["trials", "base", "solver", "limit", "warm start"],
)
def test_a_plan_is_refused_in_the_words_of_the_run(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    for ask in (run, planned):
        with pytest.raises((BadOption, TrainerRefused), match=words):
            ask(tmp_path, **given)


def test_a_plan_of_another_question_under_a_recorded_name_is_refused(tmp_path: Path) -> None:
    run(tmp_path, trials=3)
    assert "plan of the study s" in planned(tmp_path, trials=5)
    with pytest.raises(QuestionChanged, match="10 recorded, 20 now"):
        planned(tmp_path, budget="20steps")


def test_a_plan_says_how_much_disk_weights_take(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"trials": 100, "replicates": 3, "confirm": 2}
    printed = planned(tmp_path, **asked)
    [line] = [line for line in printed.splitlines() if line.startswith("weights")]
    match = re.search(
        r"4 bytes a parameter, so ([\d.]+) MB for the first .* at most 98 trainings \(([\d.]+) GB", line
    )
    assert match
    assert float(match[2]) == pytest.approx(98 * float(match[1]) / 1000, rel=0.01)
    assert line.endswith("that of the network found and of the base stay at the end")
    assert "; all 100 stay at the end" in planned(tmp_path, **asked, keep_weights="all")
    assert "weights: none are kept (--keep-weights none)" in planned(tmp_path, **asked, keep_weights="none")
    assert "none are kept (this trainer" in planned(tmp_path, **asked, data="fake:weights=none")
