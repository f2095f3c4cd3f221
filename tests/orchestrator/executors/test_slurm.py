"""Trials on a real SLURM cluster of two nodes, daemons and nodes of which are killed under way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.executors import ClusterOptions, Executor, ExecutorError, Exit, Job, slurm
from orchestrator.executors._process.files import JOB_FILE
from orchestrator.executors.slurm.batch_script import BEGAN, RESULT
from orchestrator.executors.slurm.commands import JobQueue, Unreachable, list_nodes
from tests.orchestrator._processes import eventually, job, naming, training
from tests.orchestrator._slurm import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(120)]
AGAIN = (  # long only when it is begun for the first time
    "import pathlib, time; first = not pathlib.Path('mark').exists(); pathlib.Path('mark').touch(); "
    "print('began', flush=True); time.sleep(90 if first else 1); print('ended')"
)
SLOW = "import time; print('began', flush=True); time.sleep({}); print('ended')"


@pytest.fixture
def folder(tmp_path: Path, two_nodes: Cluster) -> Iterator[Path]:
    """A folder that no process and no job is left over from, and that keeps no file of a job."""
    yield tmp_path
    assert eventually(lambda: naming(tmp_path) == [], 20)
    left = ["squeue", "--noheader", "--format=%A %T %r %N %j"]
    assert eventually(lambda: two_nodes.said(*left) == "", 20), two_nodes.said(*left)
    assert [path for name in (JOB_FILE, BEGAN, RESULT) for path in tmp_path.rglob(name)] == []


@pytest.fixture
def executor(two_nodes: Cluster) -> Iterator[Executor]:
    opened = two_nodes.executor()
    yield opened
    opened.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def started(pool: ThreadPoolExecutor, executor: Executor, one: Job, stop: threading.Event) -> Future[Exit]:
    """A job that has begun to print."""
    running = pool.submit(executor.run, one, stop)
    assert eventually(lambda: (one.stdout.exists() and one.stdout.read_text() != "") or running.done(), 20)
    assert not running.done(), running.result()
    return running


def where(folder: Path) -> str:
    """The node on which the job in the folder runs, in SLURM's own words."""
    command = ["squeue", "--me", "--states=running", "--noheader", "--format=%N|%j"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    [node] = [line.split("|")[0] for line in lines if f"-{folder.name}-" in line]
    return node


def test_a_partitions_gpus_or_cpus_are_the_slots(two_nodes: Cluster) -> None:
    on_cpus, on_gpus = slurm.create("cpu"), slurm.create()
    assert [(on_cpus.device, on_cpus.slots), (on_gpus.device, on_gpus.slots)] == [("cpu", 4), ("cuda", 2)]
    assert slurm.create("cpu", place=ClusterOptions(partition="brief")).slots == 2
    assert {node.name for node in list_nodes()} == {"c0", "c1"}


def test_a_gpu_is_given_by_slurm(two_nodes: Cluster, stop: threading.Event, folder: Path) -> None:
    asking = job(folder, "-c", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    assert two_nodes.executor("cuda").run(asking, stop).code == 0
    assert (folder / "out").read_text() == "0\n"


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"partition": "nope"}, "unknown partition 'nope'; give --partition one of brief, closed, main"),
        ({"address": "here:1"}, "--address here:1 has no effect with --executor slurm"),
    ],
)
def test_a_place_that_is_not_there_is_refused(
    two_nodes: Cluster, asked: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ExecutorError, match=complaint):
        slurm.create("cpu", place=ClusterOptions(**asked))  # type: ignore[arg-type]  # of its words, none is a number


def test_a_job_longer_than_its_partition_allows_is_refused(
    two_nodes: Cluster, stop: threading.Event, folder: Path
) -> None:
    executor = two_nodes.executor(partition="brief")
    with pytest.raises(ExecutorError, match=r"will not start job .*: PartitionTimeLimit; .*--time=1"):
        executor.run(job(folder, "-c", "pass", timeout_seconds=600), stop)


def test_a_program_that_is_not_there_is_refused(
    executor: Executor, stop: threading.Event, folder: Path
) -> None:
    with pytest.raises(ExecutorError, match=r"on c[01]: cannot run '/nowhere/trainer': No such file"):
        executor.run(Job(("/nowhere/trainer",), folder, folder / "out", folder / "err", 9.0), stop)


def test_what_is_printed_is_there_at_once(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path
) -> None:
    running = started(pool, executor, job(folder, "-c", SLOW.format(3)), stop)
    assert (folder / "out").read_text() == "began\n"
    assert running.result(20).code == 0
    assert (folder / "out").read_text() == "began\nended\n"


def test_jobs_run_on_both_nodes_and_no_more_than_the_slots(
    two_nodes: Cluster, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path
) -> None:
    executor = two_nodes.executor(slots=4)
    jobs = [job(folder / str(i), "-c", SLOW.format(3)) for i in range(6)]
    running = [pool.submit(executor.run, one, stop) for one in jobs]
    assert eventually(lambda: len([one for one in jobs if one.stdout.exists()]) == 4, 20)
    time.sleep(0.5)
    assert two_nodes.said("squeue", "--noheader").count("\n") == 4
    ends = [future.result(60) for future in running]
    assert {end.slot for end in ends} == {"c0", "c1"}
    assert {end.code for end in ends} == {0}


@pytest.mark.parametrize("fault", ["", ",ignore_sigterm,grandchild=daemon"])
def test_a_stop_ends_every_process_of_a_job(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, fault: str
) -> None:
    one = training(folder, f"fake:hang{fault}", grace_seconds=0.5)
    running = started(pool, executor, one, stop)
    stop.set()
    ended = running.result(10)
    assert (ended.code, ended.reason) == (-signal.SIGKILL if fault else 143, "stopped")
    assert [pid for pid in naming(folder) if pid not in naming("batch_script.py")] == []


def test_a_job_that_waits_in_slurms_queue_is_taken_back(
    two_nodes: Cluster, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path
) -> None:
    executor, waiting = two_nodes.executor(slots=5), threading.Event()
    full = [training(folder / str(i), "fake:hang", grace_seconds=0.5) for i in range(4)]
    running = [started(pool, executor, one, stop) for one in full]
    fifth = pool.submit(executor.run, training(folder / "5"), waiting)
    assert eventually(lambda: " PD " in two_nodes.said("squeue", "--noheader"))
    waiting.set()
    ended = fifth.result(10)
    assert (ended.code, ended.reason, ended.slot) == (143, "stopped", "")
    assert (folder / "5" / "out").read_text() == ""
    stop.set()
    assert {each.result(20).reason for each in running} == {"stopped"}


def test_a_job_that_somebody_else_cancels_is_lost(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, two_nodes: Cluster
) -> None:
    running = started(pool, executor, training(folder, "fake:hang"), stop)
    two_nodes.said("scancel", "--user=root")
    ended = running.result(30)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "lost")
    assert "of SLURM left no result" in ended.said
    assert ended.said.endswith("is CANCELLED")


def test_a_job_is_done_once_where_its_node_dies(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, two_nodes: Cluster
) -> None:
    running = started(pool, executor, job(folder, "-c", AGAIN, timeout_seconds=100), stop)
    node = where(folder)
    two_nodes.cut_power(node)
    ended = running.result(90)
    two_nodes.start(node)
    assert (ended.code, ended.reason) == (0, "exited")
    assert ended.slot != node
    assert (folder / "out").read_text() == "began\nended\n"


def test_a_requeue_is_told(
    executor: Executor,
    pool: ThreadPoolExecutor,
    stop: threading.Event,
    folder: Path,
    two_nodes: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = started(pool, executor, job(folder, "-c", AGAIN, timeout_seconds=100), stop)
    number = two_nodes.said("squeue", "--noheader", "--format=%A").strip()
    two_nodes.said("scontrol", "requeue", number)
    assert running.result(100).code == 0
    assert f"SLURM has requeued job {number} of {folder}: it starts again on c" in caplog.text
    assert (folder / "out").read_text() == "began\nended\n"


def test_a_node_that_slurm_lost_sight_of_leaves_its_job_to_the_other(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, two_nodes: Cluster
) -> None:
    running = started(pool, executor, job(folder, "-c", AGAIN, timeout_seconds=100), stop)
    node = where(folder)
    two_nodes.kill(node)  # its job goes on
    ended = running.result(90)
    two_nodes.start(node)
    assert (ended.code, ended.slot == node) == (0, False)
    assert (folder / "out").read_text() == "began\nended\n"


def test_a_restart_of_slurmctld_is_waited_for(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, two_nodes: Cluster
) -> None:
    runs = started(pool, executor, job(folder / "runs", "-c", SLOW.format(4)), stop)
    two_nodes.end("slurmctld")
    submitted = pool.submit(executor.run, job(folder / "later", "-c", SLOW.format(0)), stop)
    assert runs.result(30).code == 0, "heard of though nobody answers"
    assert not submitted.done()
    two_nodes.start("slurmctld")
    assert submitted.result(40).code == 0
    assert (folder / "later" / "out").read_text() == "began\nended\n"


def test_a_slurmctld_that_stays_away_is_given_up_and_the_job_followed_later(
    executor: Executor, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path, two_nodes: Cluster
) -> None:
    impatient = slurm.Slurm("cpu", 1, queue=JobQueue(interval=0.3, patience=1.0))
    one = job(folder, "-c", SLOW.format(15))
    running = started(pool, impatient, one, stop)
    two_nodes.end("slurmctld")
    with pytest.raises(Unreachable, match=r"has not answered for \d s .* same command follows them"):
        running.result(30)
    with pytest.raises(ExecutorError, match=r"slurmctld does not answer \(.*contact slurm controller"):
        slurm.create("cpu")
    two_nodes.start("slurmctld")
    assert executor.run(one, stop).code == 0
    assert (folder / "out").read_text() == "began\nended\n"


def test_a_trial_that_takes_more_memory_than_it_may_is_told_by_the_limit(
    executor: Executor, stop: threading.Event, folder: Path
) -> None:
    greedy = job(folder, "-c", "import time; held = bytearray(300_000_000); time.sleep(20)")
    ended = executor.run(replace(greedy, memory_bytes=2e8), stop)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "memory")
    assert "limit 200.0 MB" in ended.said


def test_an_error_in_our_own_report_ends_the_job(
    executor: Executor, stop: threading.Event, folder: Path
) -> None:
    def broken(slot: str) -> None:
        raise RuntimeError(slot)

    with pytest.raises(RuntimeError, match=r"c[01]"):
        executor.run(training(folder, "fake:hang"), stop, broken)


def test_one_question_a_while_is_for_all_jobs(
    two_nodes: Cluster, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path
) -> None:
    queue = JobQueue(interval=1.0)
    executor, began = slurm.Slurm("cpu", 4, queue=queue), time.monotonic()
    jobs = [job(folder / str(i), "-c", SLOW.format(2)) for i in range(8)]
    assert {end.code for end in pool.map(lambda one: executor.run(one, stop), jobs)} == {0}
    assert queue.looks <= (time.monotonic() - began) / queue.interval + 1


def test_a_job_is_followed_by_the_next_executor(
    two_nodes: Cluster, pool: ThreadPoolExecutor, stop: threading.Event, folder: Path
) -> None:
    one = job(folder, "-c", SLOW.format(4) + "; import sys; sys.exit(5)")
    killed = subprocess.Popen(
        [sys.executable, "-c", FOLLOWED, str(folder)], cwd=Path(__file__).parents[3], env=dict(os.environ)
    )
    with killed:
        assert eventually(lambda: (folder / "out").exists() and (folder / "out").read_text() != "", 20)
        killed.kill()
    told: list[str] = []
    ended = two_nodes.executor().run(one, stop, told.append)
    assert (ended.code, told) == (5, [ended.slot])
    assert (folder / "out").read_text() == "began\nended\n"


FOLLOWED = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from orchestrator.executors import slurm
from tests.orchestrator._processes import job
from tests.orchestrator.executors.test_slurm import SLOW
one = job(Path(sys.argv[1]), "-c", SLOW.format(4) + "; import sys; sys.exit(5)")
slurm.create("cpu").run(one, threading.Event())
"""
