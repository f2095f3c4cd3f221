"""What must hold before a study runs, beyond what its options say."""

from pathlib import Path

import pytest

from orchestrator import preconditions
from orchestrator.options import BadOption
from results.database import address


def test_a_folder_is_one_database_s_and_a_name_torn_by_a_power_cut_is_nobody_s(tmp_path: Path) -> None:
    folder, owner = tmp_path / "s", tmp_path / "s" / "database.txt"
    preconditions.own(folder, address(tmp_path / "results.db"))
    with pytest.raises(BadOption, match=r"holds trials on record in \.\./results.db; give another"):
        preconditions.own(folder, address(tmp_path / "other.db"))
    for torn in (b"", b"\0" * 14):
        owner.write_bytes(torn)
        preconditions.own(folder, address(tmp_path / "results.db"))
        assert owner.read_text() == "../results.db\n"


def test_a_folder_is_its_database_s_however_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    preconditions.own(tmp_path / "s", address(tmp_path / "results.db"))
    assert preconditions.is_own(tmp_path / "s", address(tmp_path / "link" / "results.db"))
    assert not preconditions.is_own(tmp_path / "s", address(tmp_path / "other.db"))
    assert not preconditions.is_own(tmp_path / "s", address("postgresql://me@server/results"))
    assert not preconditions.is_own(tmp_path, address(tmp_path / "results.db")), "it names none"
    preconditions.own(tmp_path / "t", address("postgresql://me:secret@server/results"))
    assert preconditions.is_own(tmp_path / "t", address("postgresql://me:other@server/results"))
