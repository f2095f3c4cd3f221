"""Backups and the doctor, on real files: whole, written to, damaged, left by a kill."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from results.cli import doctor
from results.cli.commands import main
from results.db import backup
from results.db.store import Store
from results.errors import StoreUnavailable
from tests.results.processes import python
from tests.results.records import complete, open_study, write_two_studies

WRITER = """
import sys
from results.db.store import Store
from tests.results.records import complete, open_study
with Store(sys.argv[1]) as store:
    study = open_study(store, "written")
    for number in range(1, 100_000):
        complete(store, study, number, 1_000_000, 0.5)
        print(number, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    write_two_studies(str(path))
    return path


def last(findings: Iterable[doctor.Finding]) -> doctor.Finding:
    return list(findings)[-1]


def test_a_copy_made_while_a_search_writes_is_whole_and_a_prefix_of_the_record(tmp_path: Path) -> None:
    db, copy = tmp_path / "results.db", tmp_path / "copy.db"
    with python(WRITER, str(db)) as writer:
        assert writer.stdout
        begun = next(int(line) for line in writer.stdout if int(line) >= 20)
        backup.back_up(db, copy)
    assert not backup.damage(copy)
    with Store(copy, read_only=True) as store:
        numbers = [trial.number for trial in store.trials(store.studies()[0].id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= begun


def test_a_copy_never_replaces_a_file(file: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    with pytest.raises(StoreUnavailable, match="already exists"):
        backup.back_up(file, taken)
    assert taken.read_text() == "precious"


def test_a_disk_without_links_is_copied_to_as_well(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    assert backup.back_up(file, tmp_path / "copy.db") > 0
    assert not backup.damage(tmp_path / "copy.db")
    with pytest.raises(StoreUnavailable, match="already exists"):
        backup.back_up(file, tmp_path / "copy.db")


def test_a_copy_of_a_url_s_database_lies_beside_it(file: Path) -> None:
    said = CliRunner().invoke(main, ["backup", "--db", f"sqlite:///{file}"]).stdout
    assert f"copied to {file}.backup-" in said.replace("\n", "")


def test_a_copy_that_cannot_be_written_leaves_nothing_behind(file: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot copy"):
        backup.back_up(file, tmp_path / "nowhere" / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.db"]


@pytest.mark.parametrize("db", ["postgresql://someone@nowhere/db", "none.db"])
def test_only_a_file_that_is_there_is_copied(db: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        backup.back_up(db, tmp_path / "copy.db")


def test_a_damaged_database_is_a_fault_with_advice(file: Path) -> None:
    with file.open("r+b") as written:
        written.seek(3 * 4096)
        written.write(b"\xff" * 8192)
    faults = [finding for finding in doctor.record(str(file)) if finding.level == "fault"]
    assert faults
    assert ".recover" in faults[0].advice
    with pytest.raises(StoreUnavailable):
        backup.back_up(file, file.with_name("copy.db"))


def test_a_study_left_by_a_kill_is_found_and_mended_without_touching_its_trials(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        study = open_study(store, "left")
        complete(store, study, 1, 1_000_000, 0.5)
    found = last(doctor.record(str(db)))
    assert (found.level, found.mended) == ("warning", False)
    with Store(db) as store:
        assert store.studies()[0].state == "running"  # looking mends nothing
    assert last(doctor.record(str(db), repair=True)).mended
    with Store(db) as store:
        assert store.studies()[0].state == "stopped"
        assert len(store.trials(store.studies()[0].id)) == 1
    assert [finding.subject for finding in doctor.record(str(db))] == ["database", "schema"]


def test_a_study_that_runs_is_left_alone(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        open_study(store, "held")
        with store.lock_study("held"):
            found = last(doctor.record(str(db), repair=True))
        assert found.level == "good"
        assert "running in this process" in found.found
        assert store.studies()[0].state == "running"


@pytest.fixture
def on_a_read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A record on a disk that nobody may write to, with a study left by a kill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or mounted("-t", "tmpfs", "-o", "size=8m", "none", str(folder)):
        pytest.skip("a file system cannot be mounted here: that takes root")
    with Store(folder / "results.db") as store:
        open_study(store, "left")
    mounted("-o", "remount,ro", str(folder))
    yield folder / "results.db"
    subprocess.run(["umount", "-l", str(folder)], check=True)


def mounted(*words: str) -> int:
    return subprocess.run(["mount", *words], capture_output=True).returncode


def test_a_record_on_a_read_only_disk_is_examined_and_copied_but_not_mended(
    on_a_read_only_disk: Path, tmp_path: Path
) -> None:
    db = str(on_a_read_only_disk)
    assert [finding.level for finding in doctor.record(db)] == ["good", "good", "warning"]
    assert "folder writable" in last(doctor.record(db, repair=True)).found
    assert backup.back_up(db, tmp_path / "copy.db") > 0


def test_who_only_looks_never_takes_the_lock_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "results.db") as store:
        open_study(store, "left")

    def taken(*_: object) -> None:
        raise AssertionError("a search that begins now would be refused")

    monkeypatch.setattr(doctor, "study_lock", taken)
    assert last(doctor.record(str(tmp_path / "results.db"))).level == "warning"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = '0999'", "update the checkout"),
        ("UPDATE alembic_version SET version_num = '0009'", "do not match its schema version"),
        ("DELETE FROM alembic_version", "do not match its schema version"),
    ],
)
def test_a_schema_that_cannot_be_mended_is_a_fault_that_says_one_thing_to_do(
    file: Path, statement: str, said: str
) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
    found = last(doctor.record(str(file), repair=True))
    assert (found.subject, found.level, found.advice) == ("schema", "fault", "")
    assert said in found.found


def test_a_folder_is_no_database_that_is_yet_to_be_made(tmp_path: Path) -> None:
    [found] = doctor.record(str(tmp_path))
    assert (found.level, found.found) == ("fault", f"{tmp_path} is a folder")


def test_locks_of_gpus_that_cannot_be_written_to_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMAD_NAS_LOCK_FOLDER", str(tmp_path / "locks"))
    assert doctor.gpu_locks().level == "good"
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "GPU-1.lock").touch()
    assert "1 in" in doctor.gpu_locks().found
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).suffix != ".lock")
    assert (doctor.gpu_locks().level, "GPU-1.lock cannot be" in doctor.gpu_locks().found) == ("fault", True)


def test_a_row_without_its_parent_is_a_fault(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM trials WHERE number = 1")  # foreign keys are off by SQLite's default
    connection.commit()
    connection.close()
    assert any("belongs to no row of" in finding.found for finding in doctor.record(str(file)))


@pytest.mark.slow  # imports torch to ask it
def test_the_doctor_tells_of_the_machine_and_of_the_record(file: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--db", str(file), "--runs", str(file.parent), "--json"])
    found = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert {"packages", "GPU driver", "torch", "NOMAD", "disk", "database", "schema"} <= set(found)
    assert found["NOMAD"]["level"] == "good"
    assert "MiB" in found["database"]["found"]
    assert result.exit_code == int(any(finding["level"] == "fault" for finding in found.values()))


def test_a_full_disk_is_warned_of_before_a_search_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**80)
    assert doctor.disk(tmp_path / "runs").level == "warning"


def test_the_commands_answer_in_one_line(file: Path) -> None:
    to = file.with_name("copy.db")
    assert (
        f"copied to {to}" in CliRunner().invoke(main, ["backup", "--db", str(file), "--to", str(to)]).stdout
    )
    again = CliRunner().invoke(main, ["backup", "--db", str(file), "--to", str(to)])
    assert again.exit_code == 2
    assert again.stderr.count("\n") == 1
