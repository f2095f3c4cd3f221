"""A base network at chance stops the search, unless the user forces it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.search import loop
from orchestrator.search.baseline import BaselineFailed
from orchestrator.spec.command_options import BadOption
from results import study_record, study_words
from results.analysis import chance
from results.db.store import Store
from results.db.tables import Event
from tests.orchestrator._studies import record, run, settled, trials, typed

UNTRAINED: dict[str, Any] = {"learning_rate": 1e5}  # of which the fake trainer makes an accuracy of 10%


def events(folder: Path, kind: str) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        return [event for event in store.events(store.studies()[0].id) if event.kind == kind]


def reported(folder: Path) -> str:
    study = study_record.read_study(folder / "results.db", "s")
    return " ".join((*study_words.describe_settings(study), *study_words.describe_result(study)))


def test_a_base_network_at_chance_stops_the_search_and_says_what_to_do(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(BaselineFailed) as refused:
            run(tmp_path, **UNTRAINED)
        said = str(refused.value)
        assert said.startswith(
            "the base network is at chance: accuracy 10.0% on 2,000 validation images, where always "
            "answering the most frequent class has 10.0% (p = 0.51), after 10 steps, 5.00 epochs, "
        )
        assert said.endswith(f" images a second; {chance.ADVICE}")
        assert [(row.purpose, row.attempts) for row in trials(tmp_path)] == [("baseline", 1)] * 2
    why = said.partition(", after")[0]
    assert f"{why[0].upper()}{why[1:]}, so the search did not start" in reported(tmp_path)


def test_a_search_that_is_forced_goes_on_from_there(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed):
        run(tmp_path, **UNTRAINED)
    printed = run(tmp_path, **UNTRAINED, force=True)
    assert "(p = 0.51); searching anyway (--force)" in printed
    assert [row.attempts for row in trials(tmp_path) if row.purpose == "baseline"] == [1, 1]
    whole = tmp_path / "whole"
    run(whole, **UNTRAINED, force=True)
    assert record(tmp_path) == record(whole)


def test_a_search_that_has_begun_is_not_stopped(tmp_path: Path) -> None:
    """As those of earlier versions are, which had no such rule."""
    run(tmp_path, **UNTRAINED, force=True, trials=4)
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("DELETE FROM events")
    run(tmp_path, **UNTRAINED, trials=6)
    assert len(trials(tmp_path)) >= 6
    assert events(tmp_path, chance.EVENT) == []


@pytest.mark.parametrize(("most_frequent", "stops"), [(0.95, True), (0.5, False)])
def test_the_trainer_tells_how_frequent_the_most_frequent_class_is(
    tmp_path: Path, most_frequent: float, stops: bool
) -> None:
    asked: dict[str, Any] = {"data": f"fake:noise=0,most_frequent={most_frequent}", "trials": 4}
    if stops:
        for _ in range(2):  # the second time from the results database
            with pytest.raises(BaselineFailed, match=r"accuracy 90.0% .* most frequent class has 95.0%"):
                run(tmp_path, **asked)
    else:
        run(tmp_path, **asked)
    told = [event.detail for event in events(tmp_path, "validation_classes")]
    assert told == [{"number": number, "most_frequent": most_frequent} for number in (1, 2)]


def test_a_base_network_that_has_learnt_a_little_is_searched(tmp_path: Path) -> None:
    run(tmp_path, learning_rate=10 ** (-1 + 5.1), data="fake:noise=0", trials=4)
    assert trials(tmp_path)[0].val_accuracy == pytest.approx(0.12, abs=0.003), "240 right of 2,000"


def test_a_search_without_a_baseline_notes_that_its_start_is_at_chance(tmp_path: Path) -> None:
    data = "fake:noise=0,most_frequent=.95"
    printed = run(tmp_path, kind="hpo", data=data, trials=4)
    assert printed.count("the start is at chance: accuracy 90.0% on 1,000 validation images") == 1
    assert "the start is at chance" not in run(tmp_path, kind="hpo", data=data, trials=6), "it is told once"
    assert "at chance" not in run(tmp_path / "other", kind="hpo", trials=3)


def test_a_required_accuracy_that_is_given_asks_for_no_baseline(tmp_path: Path) -> None:
    run(tmp_path, **UNTRAINED, min_accuracy=0.05, trials=2)
    for given in ({"min_accuracy": 0.05}, {"kind": "hpo"}):
        with pytest.raises(BadOption, match="--force has no effect without a measured baseline; omit it"):
            settled(tmp_path, **given, force=True)


@pytest.mark.usefixtures("heedless")
def test_a_forced_search_that_names_nothing_says_that_its_base_is_at_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MAX_UNTRAINED_IN_A_ROW", 20)
    last = run(tmp_path, **UNTRAINED, force=True, trials=3, max_macs="4.8M").splitlines()[-1]
    assert "(the base network is at chance: accuracy 10.0%" in last


def test_the_command_ends_with_exit_code_2_and_force_goes_on(tmp_path: Path) -> None:
    asked = ["--base", "senet18", "--data", "fake:", "--budget", "10steps", "--learning-rate", "1e5"]
    asked += ["--trials", "2", "--replicates", "1", "--confirm", "0", "--solver", "random", "--slots", "1"]
    ended = typed(tmp_path, *asked)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("nas-search: the base network is at chance: ")
    again = typed(tmp_path, *asked, "--force")
    assert (again.returncode, again.stderr) == (0, "")
