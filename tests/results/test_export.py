"""Trials as files."""

import json
from pathlib import Path

import pandas as pd
import pytest

from results import queries
from results.db.store import Store
from results.export import ExportError, export
from tests.results.records import open_study


def read_back(file: Path) -> pd.DataFrame:
    if file.suffix == ".csv":
        return pd.read_csv(file)
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.DataFrame(json.loads(file.read_text()))


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_an_export_holds_every_trial_with_its_floats_exact(record: str, tmp_path: Path, form: str) -> None:
    to = tmp_path / f"trials.{form}"
    assert export(record, "nas-demo", to) == 10
    back = read_back(to)
    ours = queries.trials(record, "nas-demo")
    assert back["study"].unique().tolist() == ["nas-demo"]
    assert back["number"].tolist() == ours["number"].tolist()
    accuracies = pd.to_numeric(back["val_accuracy"])
    assert accuracies.equals(ours["val_accuracy"])
    first = back["config"].iloc[0]
    assert (first if form == "json" else json.loads(first)) == ours["config"].iloc[0]
    assert [file.name for file in tmp_path.iterdir()] == [to.name]


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_study_without_trials_is_an_empty_table_of_the_usual_columns(
    db: str, record: str, tmp_path: Path, form: str
) -> None:
    with Store(db) as store:
        open_study(store, "empty")
    to, full = tmp_path / f"empty.{form}", tmp_path / f"full.{form}"
    assert export(db, "empty", to) == 0
    export(record, "nas-demo", full)
    back = read_back(to)
    assert back.empty
    assert form == "json" or list(back.columns) == list(read_back(full).columns)


def test_the_format_may_be_given_apart_from_the_name(record: str, tmp_path: Path) -> None:
    export(record, "hpo-demo", tmp_path / "trials.txt", "csv")
    assert len(pd.read_csv(tmp_path / "trials.txt")) == 3


@pytest.mark.parametrize(
    ("name", "said"), [("trials.xls", "unknown format 'xls'"), ("trials", "has no suffix")]
)
def test_another_format_is_refused_with_those_there_are(
    record: str, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(ExportError, match=f"{said}; .*csv, parquet, json"):
        export(record, "nas-demo", tmp_path / name)


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_place_that_cannot_be_written_is_told_of(record: str, tmp_path: Path, form: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"cannot write .*; give another --to"):
        export(record, "nas-demo", tmp_path / "file" / f"trials.{form}")


def test_a_failed_export_leaves_what_was_there(record: str, tmp_path: Path) -> None:
    (tmp_path / "trials.csv").mkdir()
    with pytest.raises(ExportError):
        export(record, "nas-demo", tmp_path / "trials.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["trials.csv"]
