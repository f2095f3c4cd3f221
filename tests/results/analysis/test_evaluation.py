"""The ranked table of an evaluation: what is averaged, what is left out, and what is compared with what."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from results import queries
from results.cli.commands import main
from results.db.store import Store
from results.errors import NotOnRecord
from tests.results.records import complete, config, open_study


def evaluated(store: Store, runs: dict[str, list[float | None]], name: str = "e") -> None:
    """A study of these models with the recipe `plain`, each with its test accuracies; None: it diverged."""
    study = open_study(store, name, "evaluation")
    number = 0
    for run in range(max(map(len, runs.values()))):
        for model, accuracies in runs.items():
            number += 1
            trial = store.start_trial(
                study.id, number, purpose="evaluation", point={"model": model, "recipe": "plain"},
                replicate=run, config=config(), macs=1000, parameters=50,
            )  # fmt: skip
            accuracy = accuracies[run]
            state, reason = ("failed", "diverged") if accuracy is None else ("completed", None)
            measured: dict[str, Any] = {
                "test_accuracy": accuracy,
                "test_accuracy_1000": accuracy,
                "train_seconds": 8.0,
            }
            store.finish_trial(trial.id, state, reason=reason, **measured)


def test_pairs_are_ranked_by_the_mean_test_accuracy(store: Store, db: str) -> None:
    evaluated(store, {"slow": [0.80, 0.82], "quick": [0.85, 0.89]})
    found = queries.evaluation(db, "e")
    assert found["model"].tolist() == ["quick", "slow"]
    assert found["rank"].tolist() == [1, 2]
    assert found["test_accuracy_mean"].tolist() == pytest.approx([0.87, 0.81])
    assert found["test_accuracy_std"].tolist() == pytest.approx([0.02 * 2**0.5, 0.01 * 2**0.5])


def test_a_failed_run_is_counted_and_takes_no_part_in_the_mean(store: Store, db: str) -> None:
    evaluated(store, {"a": [0.80, None], "b": [None, None]})
    found = queries.evaluation(db, "e")
    assert found[["model", "n", "failed"]].to_numpy().tolist() == [["a", 1, 1], ["b", 0, 2]]
    assert found["test_accuracy_mean"].tolist()[0] == 0.80
    assert found[["test_accuracy_mean", "test_accuracy_std"]].isna().to_numpy().tolist() == [
        [False, True],
        [True, True],
    ]


def test_differences_are_taken_run_by_run_from_the_first_pair(store: Store, db: str) -> None:
    evaluated(store, {"first": [0.70, 0.80, 0.90], "other": [0.72, None, 0.92]})
    found = queries.evaluation(db, "e").set_index("model")
    assert found.loc["other", "difference_mean"] == pytest.approx(0.02)
    assert found.loc["other", "difference_std"] == pytest.approx(0.0, abs=1e-12)
    assert found["difference_mean"].isna().to_dict() == {"first": True, "other": False}
    assert found["difference_n"].fillna(-1).to_dict() == {"first": -1, "other": 2}


def test_without_test_images_pairs_are_ranked_by_validation_accuracy(store: Store, db: str) -> None:
    study = open_study(store, "e", "evaluation")
    for number, (model, accuracy) in enumerate({"a": 0.7, "b": 0.8}.items(), 1):
        point = {"model": model, "recipe": "plain"}
        complete(store, study, number, 1000, accuracy, purpose="evaluation", point=point)
    assert queries.evaluation(db, "e")["model"].tolist() == ["b", "a"]
    said = CliRunner().invoke(main, ["evaluation", "e", "--db", db]).stdout
    assert "val acc" in said
    assert "test acc" not in said


def test_a_study_without_runs_has_an_empty_table(store: Store, db: str) -> None:
    open_study(store, "e", "evaluation")
    assert queries.evaluation(db, "e").empty
    assert "test_accuracy_1000_mean" in queries.evaluation(db, "e").columns


def test_a_search_is_no_evaluation(record: str) -> None:
    with pytest.raises(
        NotOnRecord, match="is of kind nas and not an evaluation; see nas-results trials nas-demo"
    ):
        queries.evaluation(record, "nas-demo")


def test_the_command_tells_prints_and_writes_the_same_table(store: Store, db: str, tmp_path: Path) -> None:
    evaluated(store, {"slow": [0.801, 0.82], "quick": [1 / 3, 0.85]})
    to = tmp_path / "table.csv"
    said = CliRunner().invoke(main, ["evaluation", "e", "--db", db, "--csv", str(to)]).stdout
    assert "81.05% (sd 1.34)" in said
    assert re.search(r"slow .* reference\n", said)
    assert re.search(r"quick .* -21.88 \(sd 35.19, n 2\)\n", said)
    assert "failed" not in said, "a column of nothing"
    objects = json.loads(CliRunner().invoke(main, ["evaluation", "e", "--db", db, "--json"]).stdout)
    assert [found["model"] for found in objects] == ["slow", "quick"]
    read = pd.read_csv(to)
    assert read["test_accuracy_mean"].tolist() == [found["test_accuracy_mean"] for found in objects]
