"""What runs a trial on a node of SLURM leaves a result that is the trial's own, or none; without SLURM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executors import Job
from orchestrator.executors.slurm import batch_script
from orchestrator.executors.slurm.job import BATCH_SCRIPT
from orchestrator.executors.slurm.job_files import JobFile, open_job_file, parse_exit
from tests.orchestrator._processes import eventually, job, naming, training


@contextmanager
def begun(job_file: JobFile, restarts: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """The node's end of a job, as its batch script would start it."""
    environment = {**os.environ, "SLURM_RESTART_COUNT": str(restarts), "SLURMD_NODENAME": "c0"}
    command = [sys.executable, "-I", "-S", str(BATCH_SCRIPT), job_file.folder, job_file.key]
    with subprocess.Popen(command, env=environment) as process:
        yield process
        process.wait(20)


def done(one: Job, restarts: int = 0) -> dict[str, Any]:
    """The result that the job leaves."""
    job_file = open_job_file(one, {})
    with begun(job_file, restarts):
        pass
    return dict(job_file.read_result() or {})


def hanging(folder: Path) -> JobFile:
    return open_job_file(training(folder, "fake:hang", grace_seconds=0.3), {"MARK": "x"})


def is_training(folder: Path) -> bool:
    return (folder / "out").exists() and "machine" in (folder / "out").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that no process is left over in."""
    yield tmp_path
    assert eventually(lambda: naming(tmp_path) == [])


def test_a_trials_exit_code_comes_through(folder: Path) -> None:
    result = done(job(folder, "-c", "import sys; print('out'); sys.exit('err')"))
    ended = parse_exit(result)
    assert (ended.code, ended.reason, ended.slot) == (1, "exited", "c0")
    assert ((folder / "out").read_text(), (folder / "err").read_text()) == ("out\n", "err\n")
    assert (ended.ended_at - ended.started_at).total_seconds() == pytest.approx(ended.wall_seconds, abs=0.1)


def test_a_signal_is_told_below_zero(folder: Path) -> None:
    assert done(job(folder, "-c", "import os; os.kill(os.getpid(), 11)"))["code"] == -11


def test_a_trial_out_of_time_is_ended_on_its_node(folder: Path) -> None:
    result = done(training(folder, "fake:hang", timeout_seconds=0.5))
    assert (result["code"], result["reason"]) == (143, "timeout")


def test_a_trial_that_prints_without_end_is_ended_on_its_node(folder: Path) -> None:
    flood = job(folder, "-c", "while True: print('x' * 1000)")
    result = done(replace(flood, stdout_bytes=100_000))
    assert result["reason"] == "output"
    assert (folder / "out").stat().st_size <= 100_000


def test_a_program_that_is_not_there_is_told(folder: Path) -> None:
    nowhere = Job(("/nowhere/trainer",), folder, folder / "out", folder / "err", 9.0)
    assert "cannot run '/nowhere/trainer': No such file or directory" in done(nowhere)["refused"]


def test_no_shell_reads_a_command(folder: Path) -> None:
    words = ["$(touch pwned)", "`id`", "; exit 7 #", "a'b\"c", "two\nlines", "#SBATCH --array=1-9"]
    done(job(folder, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words))
    assert json.loads((folder / "out").read_text()) == words


def test_our_stop_ends_the_trial_and_says_so(folder: Path) -> None:
    job_file = hanging(folder)
    with begun(job_file) as process:
        assert eventually(lambda: is_training(folder))
        process.send_signal(signal.SIGUSR1)
    assert (job_file.read_result() or {})["reason"] == "stopped"


def test_what_slurm_ends_leaves_no_result_for_it_may_be_requeued(folder: Path) -> None:
    job_file = hanging(folder)
    with begun(job_file) as process:
        assert eventually(lambda: is_training(folder))
        process.send_signal(signal.SIGTERM)
    assert job_file.read_result() is None


@pytest.mark.slow
@pytest.mark.parametrize("change", ["removed", "another"])
def test_a_job_whose_file_is_gone_ends_by_itself(
    folder: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_file = hanging(folder)
    with begun(job_file):
        assert eventually(lambda: is_training(folder))
        if change == "removed":
            job_file.remove()
        else:
            (folder / "trial.json").write_text("{}")  # the same command, but it trains another network
            assert open_job_file(job_file.job, {}).key != job_file.key
    assert job_file.read_result() is None


@pytest.mark.slow
def test_an_attempt_that_slurm_lost_sight_of_leaves_all_to_the_next(folder: Path) -> None:
    job_file = hanging(folder)
    with begun(job_file):
        assert eventually(lambda: is_training(folder))
        with begun(job_file, restarts=1) as second:
            assert eventually(lambda: (job_file.read_begun() or {}).get("restarts") == 1)
            assert eventually(lambda: len(naming("supervisor.py")) >= 1)
            assert eventually(lambda: is_training(folder))
            assert eventually(lambda: len(set(naming(folder)) & set(naming("batch_script.py"))) == 1, 10)
            assert job_file.read_result() is None
            second.send_signal(signal.SIGUSR1)
    assert (job_file.read_result() or {})["reason"] == "stopped"
    assert (folder / "out").read_text().count('"machine"') == 1


def test_a_job_that_was_done_already_does_nothing(folder: Path) -> None:
    first = job(folder, "-c", "print('once')")
    done(first)
    (folder / "out").write_text("kept")
    assert done(first)["code"] == 0
    assert (folder / "out").read_text() == "kept"


def test_a_job_requeued_too_often_is_given_up_with_the_reason(folder: Path) -> None:
    result = done(training(folder), restarts=batch_script.MOST_REQUEUES + 1)
    assert (result["reason"], result["said"]) == (
        "lost",
        "SLURM lost it 4 times, as often as it may be requeued",
    )
    assert (folder / "out").read_text() == ""


def test_a_trial_hears_what_its_slot_says(folder: Path) -> None:
    job_file = open_job_file(job(folder, "-c", "import os; print(os.environ['MARK'])"), {"MARK": "here"})
    with begun(job_file):
        pass
    assert (folder / "out").read_text() == "here\n"


def test_a_job_is_followed_after_it_has_written_a_checkpoint(folder: Path) -> None:
    one = job(folder, "-c", "pass", "--checkpoint", folder / "checkpoint.pt")
    first = open_job_file(one, {})
    (folder / "checkpoint.pt").write_text("later")
    again = open_job_file(one, {})
    assert (again.key, again.is_kept) == (first.key, True)


def test_the_name_of_a_job_is_safe_and_its_own(tmp_path: Path) -> None:
    odd = tmp_path / "a b;c$(d)" / "000 é"
    odd.mkdir(parents=True)
    first, second = (JobFile(open_job_file(job(odd, "-c", word), {}).key, job(odd)) for word in ("1", "2"))
    assert first.key != second.key
    assert first.key.startswith("nas-a_b_c_d_-000_-")
    assert first.key.replace("-", "").replace("_", "").isalnum()
