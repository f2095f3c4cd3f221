"""A search whose user may have few processes, threads or open files: told in one line, and nothing lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from results.queries import studies
from tests.orchestrator._processes import HOSTING_TRAINER
from tests.orchestrator._studies import command, record, trials
from tests.thinned import rest_slow

ROOT = Path(__file__).parents[2]
ASKED = [
    *("--base", "senet18", "--data", "fake:", "--budget", "10steps", "--trials", "6", "--study", "s"),
    *("--solver", "random", "--slots", "2", "--replicates", "1", "--confirm", "0", "--executor", "local"),
    *("--trainer", f"{sys.executable} {HOSTING_TRAINER}"),
]
# another user than root, who is held to no number of processes, but one that may read what root may
ANOTHER = [
    *("setpriv", "--reuid=64999", "--regid=64999", "--clear-groups"),
    *(f"--{which}-caps=+dac_override,+dac_read_search" for which in ("inh", "ambient")),
]


def under(limit: str, folder: Path, *another: str) -> subprocess.CompletedProcess[str]:
    """Run a search, or go on with it, under a `ulimit` of the shell's."""
    words = ["bash", "-c", f'ulimit {limit} && exec "$@"', "search", *command(folder, *ASKED)]
    return subprocess.run([*another, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("calm")
    assert under("-c 0", folder).returncode == 0
    return record(folder)


def ends_and_goes_on(folder: Path, ended: subprocess.CompletedProcess[str], *advice: str) -> None:
    """Hold an end against the rule: one line, and the same command leaves alone what had ended."""
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert last.startswith("nas-search: ")
    assert any(words in last for words in advice), last
    has_begun = (folder / "results.db").exists() and not studies(str(folder / "results.db")).empty
    rows = trials(folder) if has_begun else []
    over = {row.number: row.finished_at for row in rows if row.state != "running"}
    assert under("-c 0", folder).returncode == 0
    assert {row.number: row.finished_at for row in trials(folder) if row.number in over} == over


@pytest.mark.parametrize("files", rest_slow(range(8, 21), [15]))
def test_too_few_open_files_end_a_search_in_one_line_and_nothing_is_lost(
    tmp_path: Path, undisturbed: list[dict[str, object]], files: int
) -> None:
    ended = under(f"-n {files}", tmp_path)
    if ended.returncode != 0:
        ends_and_goes_on(tmp_path, ended, "raise the limit of open files (ulimit -n)")
    assert record(tmp_path) == undisturbed


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write to, as none of pytest's is."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="makes another user of root")
@pytest.mark.parametrize("processes", range(2, 9))
def test_too_few_processes_are_the_machine_s_failure_and_nothing_is_lost(
    open_folder: Path, undisturbed: list[dict[str, object]], processes: int
) -> None:
    ended = under(f"-u {processes}", open_folder, *ANOTHER)
    if ended.returncode != 0:
        ends_and_goes_on(open_folder, ended, "no process could be started for it", "(ulimit -u")
    assert record(open_folder) == undisturbed
