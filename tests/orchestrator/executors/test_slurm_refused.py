"""What a user hears where SLURM is not there or does not want the job. Its commands are scripts here."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.executors import ClusterOptions, ExecutorError, slurm
from orchestrator.executors.slurm.commands import PROGRAMS, Away, JobQueue, list_nodes, submit
from tests.orchestrator._processes import job

NODES = "echo 'a1|gpu|gpu|idle|64|gpu:a100:4(S:0-1),gpu:2,shard:8'; "
NODES += "echo 'a2|gpu|gpu|down*|64|gpu:a100:4(S:0-1)'; "
NODES += "echo 'b1|cpu|cpu*|mixed|16|(null)'; echo 'a1|cpu|cpu*|idle|64|(null)'"
Scripts = Callable[..., None]


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """Makes SLURM's commands of what they are to do; the others are silent."""

    def made(**bodies: str) -> None:
        for name in PROGRAMS:
            (tmp_path / name).write_text(f"#!/bin/sh\n{bodies.get(name, '')}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return made


def complaint(words: str) -> str:
    return f"echo '{words}' >&2; exit 1"


def test_a_machine_without_slurm_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecutorError, match="sbatch is not on the PATH; --executor slurm needs"):
        slurm.create()


def test_a_silent_slurmctld_is_told(scripts: Scripts) -> None:
    scripts(sinfo=complaint("slurm_load_partitions: Unable to contact slurm controller (connect failure)"))
    with pytest.raises(ExecutorError, match=r"slurmctld does not answer \(slurm_load_partitions: Unable"):
        slurm.create()


def test_gpus_and_nodes_that_are_up_are_counted(scripts: Scripts) -> None:
    scripts(sinfo=NODES)
    assert [(node.name, node.gpus, node.is_up) for node in list_nodes()] == [
        ("a1", 6, True),
        ("a2", 4, False),
        ("b1", 0, True),
        ("a1", 0, True),
    ]
    on_gpus, on_cpus = slurm.create(place=ClusterOptions(partition="gpu")), slurm.create()
    assert [(each.device, each.slots) for each in (on_gpus, on_cpus)] == [("cuda", 6), ("cpu", 80)]
    assert slurm.create("cpu", place=ClusterOptions(partition="cpu,gpu")).slots == 80


@pytest.mark.parametrize(
    ("device", "slots", "partition", "sinfo", "words"),
    [
        ("auto", None, "fast", NODES, "unknown partition 'fast'; give --partition one of cpu, gpu"),
        (
            "auto",
            None,
            None,
            "echo 'a|p|p|idle|1|(null)'",
            "the cluster has no default partition; give",
        ),
        ("cuda", None, None, NODES, r"the nodes of partition cpu have no GPU that SLURM knows of"),
        ("cpu", None, None, "echo 'a|p|p*|drained|1|(null)'", "no node of partition p is up"),
        ("tpu", None, None, NODES, "--device tpu is unknown"),
        ("cpu", 0, None, NODES, "--slots 0 is too few"),
    ],
)
def test_what_the_cluster_cannot_give_is_refused(
    scripts: Scripts, device: str, slots: int | None, partition: str | None, sinfo: str, words: str
) -> None:
    scripts(sinfo=sinfo)
    with pytest.raises(ExecutorError, match=words):
        slurm.create(device, slots, place=ClusterOptions(partition=partition))


def test_a_refusal_of_sbatch_ends_the_search_with_its_words(scripts: Scripts, tmp_path: Path) -> None:
    scripts(sinfo=NODES, sbatch=complaint("sbatch: error: Invalid account or account/partition combination"))
    with pytest.raises(ExecutorError, match="sbatch refuses: sbatch: error: Invalid account"):
        slurm.create().run(job(tmp_path / "job", "-c", "pass"), threading.Event())
    assert not (tmp_path / "job" / "job.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    ],
)
def test_a_slurmctld_that_is_away_is_no_refusal(scripts: Scripts, words: str) -> None:
    scripts(sbatch=complaint(words))
    with pytest.raises(Away, match="sbatch: error"):
        submit("nas-x", (), ("true",))


def test_the_job_that_we_run_in_is_not_told_to_sbatch(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "9")
    monkeypatch.setenv("SBATCH_MEM_PER_CPU", "4G")
    monkeypatch.setenv("SLURM_CONF", "/etc/x")
    scripts(sbatch=f"env > {tmp_path}/env; echo '12;cluster'")
    assert submit("nas-x", (), ("true",)) == 12
    told = (tmp_path / "env").read_text()
    assert ["SLURM_CPUS_PER_TASK" in told, "SBATCH_MEM_PER_CPU=4G" in told, "SLURM_CONF" in told] == [
        False,
        True,
        True,
    ]


def test_a_job_is_asked_for_once_while_slurmctld_is_away_and_given_up_in_the_end(
    scripts: Scripts, tmp_path: Path
) -> None:
    away = complaint("Unable to contact slurm controller")
    scripts(sbatch=f"echo x >> {tmp_path}/asked; {away}", squeue=away)
    impatient = slurm.Slurm("cpu", 1, queue=JobQueue(interval=0.2, patience=0.8))
    with pytest.raises(ExecutorError, match=r"slurmctld has not answered for \d s"):
        impatient.run(job(tmp_path / "job", "-c", "pass"), threading.Event())
    assert (tmp_path / "asked").read_text().count("x") >= 2
    assert (tmp_path / "job" / "job.json").exists(), "what may be SLURM's is found by the next orchestrator"
