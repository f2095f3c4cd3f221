"""kill -9 of an orchestrator whose trials are SLURM's: they go on, and the next one trains none again."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.trial.outcome import is_training
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._slurm import Cluster
from tests.orchestrator._slurm_studies import asked_of, await_another, kill_while_weights_are_written, trained
from tests.orchestrator._studies import record, trials
from tests.orchestrator.test_killed import exits_unseen

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]


def test_trials_go_on_while_their_orchestrator_is_dead_and_are_trained_once(
    tmp_path: Path, two_nodes: Cluster
) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    subprocess.run(asked_of(calm, "local"), check=True, capture_output=True, timeout=100)
    typed, rng, kills = asked_of(harried, "slurm"), random.Random(0), 0
    while kills < 4:
        with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as study:
            await_another(harried)
            time.sleep(rng.uniform(0, 4))
            assert study.poll() is None, "the study ended before every kill had landed: give it more trials"
            study.send_signal(signal.SIGKILL)
            kills += 1
        time.sleep(rng.choice([0, 4]))  # so that some trials end unheard
    subprocess.run(typed, check=True, capture_output=True, timeout=200)
    assert exits_unseen(record(harried)) == exits_unseen(record(calm))
    assert set(trained(harried).values()) == {1}
    assert len(trained(harried)) == len([row for row in trials(harried) if is_training(row)])
    assert {row.slot for row in trials(harried)} >= {"c0", "c1"}
    assert eventually(lambda: naming(harried) == [])


def test_weights_that_a_job_still_writes_are_kept_by_the_next_orchestrator(
    tmp_path: Path, two_nodes: Cluster
) -> None:
    kill_while_weights_are_written(tmp_path, "--executor", "slurm")
    assert [row.weights_bytes is not None for row in trials(tmp_path)] == [True]
    assert set(trained(tmp_path).values()) == {1}
    assert not (tmp_path / "s" / "00001" / "job.json").exists()


def test_an_interrupted_study_leaves_no_job(tmp_path: Path, two_nodes: Cluster) -> None:
    with subprocess.Popen(asked_of(tmp_path / "s", "slurm"), stdout=subprocess.DEVNULL) as study:
        assert eventually(lambda: sum(trained(tmp_path / "s").values()) >= 2, 60)
        study.send_signal(signal.SIGINT)
        assert study.wait(30) == 130
    assert eventually(lambda: two_nodes.said("squeue", "--noheader") == "")
    assert naming(tmp_path) == []
