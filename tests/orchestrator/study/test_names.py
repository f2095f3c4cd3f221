"""A study without `--study` is named after its data; one that an earlier version named goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.names import check_name, name_data
from results.db.store import Store
from tests.orchestrator._studies import evaluate, run, trials

TUNED: dict[str, Any] = {"kind": "hpo", "trials": 2}
Ask = Callable[..., str]


def names(folder: Path) -> list[str]:
    with Store(folder / "results.db", read_only=True) as store:
        return [study.name for study in store.studies()]


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("cifar10", "cifar10"),
        ("fake:sleep=1", "fake"),
        ("folder:/data/my photos", "my-photos"),
        ("folder:/data/P2", "P2"),
        ("folder:/data/v1.0.lock", "v1-0-lock"),
        ("npz:/data/plates.v2.npz", "plates-v2"),
        ("folder:/data/Blätter", "Blätter"),
        ("folder:/data/photos.zip", "photos"),
        ("folder:/data/photos.v2.tar.gz", "photos-v2"),
        ("csv:/data/table.csv", "table"),
        ("torchvision:EMNIST-letters", "EMNIST-letters"),
        ("folder:/", "folder"),
        ("folder:/data/!?", "folder"),
        (f"folder:/{'é' * 100}", "é" * 40),
    ],
)
def test_a_data_set_is_named_by_its_last_folder_or_file(dataset: str, name: str) -> None:
    assert name_data(dataset) == name


@given(st.sampled_from(["folder", "npz", "csv"]), st.text(st.characters(exclude_categories=["Cs"])))
def test_every_path_gives_the_name_of_a_folder(kind: str, path: str) -> None:
    name = name_data(f"{kind}:/{path}")
    check_name(name)
    assert len(name.encode()) <= 80


@pytest.mark.parametrize(
    ("ask", "given", "name"),
    [
        (run, {}, "nas-senet18-my-photos"),
        (run, {**TUNED, "space": "recipe"}, "hpo-senet18-recipe-my-photos"),
        (evaluate, {"runs": 1}, "evaluation-senet18-my-photos"),
    ],
    ids=["nas", "hpo", "evaluation"],
)
def test_a_study_has_the_name_of_its_folder_and_the_same_command_resumes_it(
    tmp_path: Path, ask: Ask, given: dict[str, Any], name: str
) -> None:
    asked = {"study": None, "data": "folder:/x/my photos", **given}
    ask(tmp_path, **asked)
    assert "resuming: " in ask(tmp_path, **{**asked, "runs" if ask is evaluate else "trials": 9})
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(
    ("ask", "given", "earlier"),
    [
        (run, {}, "nas-senet18-folder"),
        (run, TUNED, "hpo-senet18-folder"),
        (evaluate, {"runs": 1}, "evaluation-senet18-folder"),
    ],
    ids=["nas", "hpo", "evaluation"],
)
def test_a_study_that_an_earlier_version_named_goes_on_under_its_name(
    tmp_path: Path, ask: Ask, given: dict[str, Any], earlier: str
) -> None:
    asked = {"data": "folder:/x/p2", **given}
    ask(tmp_path, **asked, study=earlier)
    before = len(trials(tmp_path, earlier))
    more = {**asked, "study": None, "runs" if ask is evaluate else "trials": 9}
    assert "resuming: " in ask(tmp_path, **more)
    assert names(tmp_path) == [earlier]
    assert len(trials(tmp_path, earlier)) > before
    other = ask(tmp_path, **{**more, "seed": 5})
    assert f"the study {earlier} of the same data has other settings, so it is not resumed: " in other
    assert f"seed: 0 recorded, 5 now; to go on with it, give its settings and --study {earlier}" in (other)
    assert "not resumed" not in ask(tmp_path, **{**more, "seed": 5}), "it is not new any more"
    assert "not resumed" not in ask(tmp_path, **{**more, "seed": 5, "data": "folder:/x/p3"})
    assert names(tmp_path) == [earlier, earlier.replace("folder", "p2"), earlier.replace("folder", "p3")]


def test_a_study_of_a_saved_model_is_found_by_its_earlier_name_and_goes_on_with_that_model(
    tmp_path: Path,
) -> None:
    data = "folder:/x/p2"
    run(tmp_path, study="first", data=data, save_as="mine", trials=4)
    run(tmp_path, study="hpo-mine-folder", subject="mine", data=None, **TUNED)
    run(tmp_path, study="second", data=data, save_as="mine", trials=4, seed=3)
    assert "from the study first; second saved one too" in run(
        tmp_path, study=None, subject="mine", data=None, **{**TUNED, "trials": 4}
    )
    assert names(tmp_path) == ["first", "hpo-mine-folder", "second"]
    said = run(tmp_path, study=None, subject="mine", data=None, budget="20steps", **TUNED)
    assert "from the study second; first saved one too" in said, "another study, so the newest model"
