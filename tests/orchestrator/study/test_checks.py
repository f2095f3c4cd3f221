"""What must hold before a study runs, beyond what its options say."""

from pathlib import Path

import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.study import checks
from orchestrator.trial.folder import study_folder
from results.db.connection import address
from results.db.store import Store
from results.db.study_files import is_own
from tests.orchestrator._studies import run


def test_a_folder_is_one_database_s_and_a_name_torn_by_a_power_cut_is_nobody_s(tmp_path: Path) -> None:
    folder, owner = tmp_path / "s", tmp_path / "s" / "database.txt"
    checks.claim_folder(folder, address(tmp_path / "results.db"))
    with pytest.raises(
        BadOption,
        match=r"holds trials of another results database, "
        r"\.\./results.db; give another",
    ):
        checks.claim_folder(folder, address(tmp_path / "other.db"))
    for torn in (b"", b"\0" * 14):
        owner.write_bytes(torn)
        checks.claim_folder(folder, address(tmp_path / "results.db"))
        assert owner.read_text() == "../results.db\n"


def test_a_space_of_one_network_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="contain only the start, so there is nothing to search; give wider"):
        run(tmp_path, depth="1", width="1", resolution="1:1")
    with Store(tmp_path / "results.db", read_only=True) as store:
        assert store.studies() == []


def test_a_folder_is_its_database_s_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "link.db").symlink_to("real/results.db")
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "s").symlink_to(tmp_path / "elsewhere")
    folder = study_folder(tmp_path / "runs", "s")
    for name in ("real/results.db", "link/results.db", "link.db"):
        checks.claim_folder(folder, address(tmp_path / name))
    assert (folder / "database.txt").read_text() == "../real/results.db\n"
    (folder / "database.txt").write_text("../link/results.db\n")  # as it was once written
    checks.claim_folder(folder, address(tmp_path / "real" / "results.db"))
    with pytest.raises(BadOption, match="holds trials of another results database"):
        checks.claim_folder(folder, address("postgresql://somewhere/nas"))


def test_a_folder_that_was_moved_and_linked_from_its_place_is_its_database_s_still(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folder = study_folder(runs, "s")
    checks.claim_folder(folder, address(runs / "results.db"))
    (tmp_path / "larger").mkdir()
    folder.rename(tmp_path / "larger" / "s")
    folder.symlink_to(tmp_path / "larger" / "s")
    checks.claim_folder(folder, address(runs / "results.db"))
    assert not is_own(folder, address(tmp_path / "other.db"))


def test_a_folder_is_its_database_s_however_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    checks.claim_folder(tmp_path / "s", address(tmp_path / "results.db"))
    assert is_own(tmp_path / "s", address(tmp_path / "link" / "results.db"))
    assert not is_own(tmp_path / "s", address(tmp_path / "other.db"))
    assert not is_own(tmp_path / "s", address("postgresql://me@server/results"))
    assert not is_own(tmp_path, address(tmp_path / "results.db")), "it names none"
    checks.claim_folder(tmp_path / "t", address("postgresql://me:secret@server/results"))
    assert is_own(tmp_path / "t", address("postgresql://me:other@server/results"))
