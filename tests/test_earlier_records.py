"""A study that an earlier version began and a kill ended goes on as that version would have gone on."""

import json
import re
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.records import make

RECORDS = Path(__file__).parent / "records"
FOUND = sorted(path.relative_to(RECORDS).with_suffix("") for path in RECORDS.glob("*/*.sql"))


def solver_versions(database: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(database)) as connection:
        question = json.loads(connection.execute("SELECT question FROM studies").fetchone()[0])
    versions: dict[str, Any] = question.get("solver", {}).get("versions", {})
    return versions


@pytest.mark.parametrize("study", FOUND, ids=map(str, FOUND))
def test_a_killed_study_of_an_earlier_version_ends_as_it_would_have_ended_there(
    tmp_path: Path, study: Path
) -> None:
    record = RECORDS / study
    database = tmp_path / "results.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(record.with_suffix(".sql").read_text())
    for name, recorded in solver_versions(database).items():
        if version(name) != recorded:
            pytest.skip(f"the record is of {name} {recorded}, and here is {version(name)}")
    command = record.with_suffix(".txt").read_text()
    with make.begun(Path(__file__).parents[1], command, tmp_path) as search:
        _, said = search.communicate(timeout=100)
    assert search.returncode == 0, said
    assert ("--stack was removed and is ignored" in said) == ("--stack" in command)
    wanted = json.loads(record.with_suffix(".json").read_text())
    found = json.loads(make.as_text(make.expected(database)))
    assert found.pop("trials") == wanted.pop("trials")
    counts = [re.findall(r"\d+", ending.pop("message")) for ending in (found, wanted)]
    assert counts[0] == counts[1], "the words of a message may change, its numbers not"
    assert found == wanted
