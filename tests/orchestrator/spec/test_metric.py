"""Searches that seek another score than the accuracy: what is required, told, recorded and shown."""

import re
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest

from orchestrator.search.baseline import BaselineFailed
from orchestrator.spec.command_options import BadOption
from results import optuna_mirror, queries, report
from results.db.store import Store
from results.errors import QuestionChanged
from results.study_record import read_study
from tests.optuna_storage import open_storage
from tests.orchestrator._studies import run, settled, trials
from tests.orchestrator.trial.test_pruned import ASKED, pruned
from tests.results.cli.test_commands import run as said

BALANCED: dict[str, Any] = {"metric": "balanced_accuracy", "data": "fake:balanced=.05", "trials": 12}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a search for the smallest network of enough balanced accuracy, and what it printed."""
    folder = tmp_path_factory.mktemp("found")
    return folder, run(folder, **BALANCED)


def test_the_required_score_is_that_of_the_base_and_the_solver_hears_of_no_other(
    found: tuple[Path, str],
) -> None:
    rows = trials(found[0])
    base = [row.score or 0.0 for row in rows if row.purpose == "baseline"]
    with Store(found[0] / "results.db", read_only=True) as store:
        study = store.study("s")
    assert study is not None
    assert study.question["metric"] == "balanced_accuracy"
    assert study.baseline_accuracy == pytest.approx(fmean(base))
    bound = study.min_accuracy or 0.0
    assert bound == pytest.approx(fmean(base) - 0.01)
    trained = [row for row in rows if row.state == "completed"]
    assert len(trained) > 2
    for row in trained:
        assert row.score == row.val_balanced_accuracy == pytest.approx((row.val_accuracy or 0) - 0.05)
        assert row.val_macro_f1 is not None
        assert row.val_top5_accuracy is not None
        if row.purpose == "search":
            assert row.constraints == [bound - (row.score or 0)]
    assert any(bound < (row.val_accuracy or 0) < bound + 0.05 for row in trained), "or nothing is at stake"


def test_views_tables_report_and_mirror_tell_the_sought_score(
    found: tuple[Path, str], tmp_path: Path
) -> None:
    folder, printed = found
    db = folder / "results.db"
    [best] = queries.best(db).to_dict("records")
    assert best["metric"] == "balanced_accuracy"
    assert best["mean_accuracy"] == best["score"] < best["val_accuracy"]
    assert queries.learning_curves(db, "s")["score"].notna().all()
    record = read_study(db, "s")
    known = {network.trial: network.belief.mean for network in record.networks}
    assert known[best["trial"]] == best["score"]
    bound = f"{record.bound:.2%}"
    assert f"required balanced accuracy: {bound}" in printed
    assert f", balanced accuracy {best['score']:.2%}" in printed
    shown = said("show", "s", db=str(db))
    assert f"validation balanced accuracy of at least {bound}" in shown
    assert not re.findall(r".*(?<!balanced[ _])accuracy.*", printed)
    assert "next: hpo-search --model nomad_senet18 --metric balanced_accuracy --budget 10steps" in printed
    assert "required accuracy" not in shown
    assert "val bal acc" in said("trials", "s", db=str(db))
    assert "balanced accuracy" in said("best", db=str(db))
    page = report.write(db, "s", tmp_path / "s.html")[0].read_text()
    assert f"The required validation balanced accuracy is {bound}" in page
    assert "the worst 9 of 10, in this training" in page
    optuna_mirror.export(db, "s", str(tmp_path / "optuna.db"))
    mirrored = optuna.load_study(study_name="s", storage=open_storage(tmp_path / "optuna.db"))
    assert mirrored.metric_names == ["MACs", "validation balanced accuracy"]
    values = {trial.user_attrs["trial"]: trial.values for trial in mirrored.trials if trial.values}
    assert values[best["trial"]][1] == best["score"]


def test_a_trial_tells_its_worst_classes_first_by_name(found: tuple[Path, str]) -> None:
    db = str(found[0] / "results.db")
    by_class = trials(found[0])[0].val_class_accuracies
    assert by_class is not None
    assert list(by_class) == list("abcdefghij")
    assert by_class["j"] is None
    shown = said("show", "s", "1", db=db)
    assert f" a {by_class['a']:.2%}, b {by_class['b']:.2%}, c " in shown
    assert "macro F1 8" in shown


def test_another_metric_under_the_same_name_is_refused(found: tuple[Path, str]) -> None:
    with pytest.raises(QuestionChanged, match="metric: 'balanced_accuracy' recorded, 'macro_f1' now"):
        run(found[0], **{**BALANCED, "metric": "macro_f1"})
    with pytest.raises(QuestionChanged, match="metric: 'balanced_accuracy' recorded"):
        run(found[0], **{**BALANCED, "metric": "accuracy"})


def test_a_candidate_is_confirmed_by_the_score_of_its_repeats(tmp_path: Path) -> None:
    run(tmp_path, **{**BALANCED, "trials": 30, "confirm": 4, "tolerance": 0.03})
    rows = trials(tmp_path)
    model = queries.models(tmp_path / "results.db").to_dict("records")[0]
    assert (model["status"], model["metric"]) == ("confirmed", "balanced_accuracy")
    repeats = [row for row in rows if row.purpose == "confirmation"]
    again = [row.score or 0.0 for row in repeats if row.of_trial_number == model["trial"]]
    assert model["val_accuracy"] == pytest.approx(fmean(again))
    assert "worse in balanced accuracy than the base with probability" in said(
        "show", "s", str(model["trial"]), db=str(tmp_path / "results.db")
    )


def test_a_search_for_the_score_alone_names_the_best_of_it(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", metric="macro_f1", data="fake:balanced=.1", confirm=2)
    rows = trials(tmp_path)
    searched = [row for row in rows if row.purpose == "search"]
    assert all(row.objective == 1 - (row.val_macro_f1 or 0) for row in searched)
    [best] = queries.best(tmp_path / "results.db").to_dict("records")
    again = [row.val_macro_f1 or 0 for row in rows if row.of_trial_number == best["trial"]]
    assert best["mean_accuracy"] == pytest.approx(fmean(again))
    assert queries.models(tmp_path / "results.db")["val_accuracy"].tolist() == [pytest.approx(fmean(again))]


def test_a_trainer_that_does_not_report_the_score_fails_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed, match="does not report what --metric macro_f1 needs: omit --metric"):
        run(tmp_path, metric="macro_f1")
    [row] = trials(tmp_path)[:1]
    assert (row.state, row.reason, row.val_accuracy) == ("failed", "no_result", None)


def test_a_loss_and_too_few_classes_for_the_top_five_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"--metric loss cannot be sought: .* give one of accuracy, b"):
        settled(tmp_path, metric="loss")
    with pytest.raises(BadOption, match="--metric f1 is unknown; give one of accuracy, "):
        settled(tmp_path, metric="f1", min_accuracy=0.5)
    with pytest.raises(
        BadOption, match="--metric top5_accuracy needs at least 6 classes, but the data have 5"
    ):
        run(tmp_path, metric="top5_accuracy", data="fake:classes=5")


@pytest.mark.slow
def test_a_training_is_stopped_by_the_curve_of_the_sought_score(tmp_path: Path) -> None:
    run(tmp_path, **{**ASKED, "data": "fake:sleep=1,balanced=.1", "metric": "balanced_accuracy"})
    rows = pruned(tmp_path)
    assert rows
    for row in rows:
        assert (row.score or 1) < (row.predicted_accuracy or 0) < (row.stop_bound or 0) < 0.66
        assert row.val_accuracy == pytest.approx((row.score or 0) + 0.1)
