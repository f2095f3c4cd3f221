"""Trials on a simulated Ray cluster: nodes that die, orchestrators that die, and what is left of either."""

import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import executors
from orchestrator.executors import ClusterOptions, Executor, ExecutorError
from orchestrator.executors.ray import job as ray_job
from orchestrator.executors.ray.cluster import Share, import_ray
from orchestrator.trial.folder import TrialFolder
from results.db.store import Store
from tests.orchestrator._processes import FAKE_TRAINER, eventually, job, naming
from tests.orchestrator._ray import Cluster, cluster
from tests.orchestrator._slurm_studies import kill_while_weights_are_written, trained
from tests.orchestrator._studies import command, record, trials

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]

STARTS = "import os, pathlib, sys, time; pathlib.Path('starts').open('a').write(f'{os.getpid()} '); "
LONG = STARTS + "print('first', flush=True); time.sleep(float(sys.argv[1])); print('last')"
ONE_RUN = """
import sys, threading
from pathlib import Path
from typing import Any
from orchestrator.executors import ClusterOptions, ray
from tests.orchestrator._processes import job
ray.create("cpu", place=ClusterOptions(address=sys.argv[1])).run(
    job(Path(sys.argv[2]), "-c", *sys.argv[3:]), threading.Event()
)
"""


@pytest.fixture
def executor(three_nodes: Cluster) -> Iterator[Executor]:
    opened = three_nodes.executor()
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder named by everything that a test starts; nothing of that is left over."""
    yield tmp_path
    assert eventually(lambda: naming(tmp_path) == [])


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def is_gone(ray: Any, actor: Any) -> bool:
    try:
        ray.get(actor.__ray_ready__.remote(), timeout=10)
    except ray.exceptions.RayActorError:
        return True
    return False


def has_begun(folder: Path) -> bool:
    return eventually(lambda: "first" in text(folder / "out"), 30)


@contextmanager
def run_elsewhere(address: str, folder: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that runs the long job."""
    words = [sys.executable, "-c", ONE_RUN, address, str(folder), LONG, str(seconds)]
    with subprocess.Popen(words, cwd=ROOT) as running:
        yield running


def test_what_a_trial_prints_is_there_while_it_runs(executor: Executor, folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(executor.run, job(folder / "1", "-c", LONG, "3"), threading.Event())
        assert has_begun(folder / "1")
        assert not running.done()
        assert running.result(20).code == 0
    assert (folder / "1" / "out").read_text() == "first\nlast\n"


def test_a_trial_on_a_node_that_does_not_see_its_folder_brings_its_files_home(
    executor: Executor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def blind(folder: Path) -> Iterator[tuple[str, str]]:
        yield "/nowhere", ""

    monkeypatch.setattr(ray_job, "keep_marker", blind)
    one = job(folder / "1", "-c", LONG + "; print(os.getcwd())", "0")
    assert executor.run(one, threading.Event()).code == 0
    assert str(folder) not in (folder / "1" / "out").read_text()
    assert (folder / "1" / "starts").read_text().strip().isdigit()


LARGE = "import os; open('model.safetensors', 'wb').write(os.urandom(1 << 20) * 200); open('left.new', 'w'); "
LARGE += "open('model.json', 'w').write('{}'); print('done')"


def test_large_files_come_home_and_one_that_cannot_costs_only_itself(
    executor: Executor, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def blind(folder: Path) -> Iterator[tuple[str, str]]:
        yield "/nowhere", ""

    monkeypatch.setattr(ray_job, "keep_marker", blind)
    assert executor.run(job(folder / "1", "-c", LARGE), threading.Event()).code == 0
    assert (folder / "1" / "model.safetensors").stat().st_size == 200 << 20
    assert (folder / "1" / "model.json").exists()
    assert not (folder / "1" / "left.new").exists()
    (folder / "2" / "model.safetensors").mkdir(parents=True)  # where no file can be put
    end = executor.run(job(folder / "2", "-c", LARGE), threading.Event())
    assert (end.code, end.reason) == (0, "exited")
    assert (folder / "2" / "out").read_text() == "done\n"
    assert f"files of the trial in {folder / '2'} stay on" in caplog.text


def test_what_is_printed_beyond_the_limits_is_kept_here_as_it_is_there(
    executor: Executor, folder: Path
) -> None:
    source = "import sys, time; sys.stderr.write(''.join(f'line {n}\\n' for n in range(400_000))); "
    source += "sys.stderr.flush(); time.sleep(3); print('x' * 9000)"
    one = replace(job(folder / "1", "-c", source), stderr_bytes=1 << 20, stdout_bytes=5000)
    end = executor.run(one, threading.Event())
    assert end.reason == "output"
    assert "printed more than 5.0 kB to stdout" in end.said
    log = (folder / "1" / "err").read_text()
    assert log.startswith("line 0\nline 1\n")
    assert "lines left out here" in log
    assert log.endswith("line 399999\n")
    assert len(log) <= 1 << 20
    assert (folder / "1" / "out").stat().st_size <= 5000


def test_a_trial_that_waits_for_room_in_the_cluster_can_be_stopped(
    three_nodes: Cluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor, stop = three_nodes.executor(slots=4), threading.Event()
    assert "--slots 4, but the cluster has room for 3 trials now" in caplog.text
    with ThreadPoolExecutor(4) as pool:
        jobs = [job(folder / str(number), "-c", LONG, "60") for number in range(4)]
        runs = [pool.submit(executor.run, one, stop) for one in jobs]
        assert eventually(lambda: sum("first" in text(one.stdout) for one in jobs) == 3, 30)
        time.sleep(1)
        stop.set()
        ends = [run.result(30) for run in runs]
    assert sorted(end.slot for end in ends)[0] == ""
    assert {end.reason for end in ends} == {"stopped"}
    executor.close()


@pytest.mark.usefixtures("executor")  # which is connected to the cluster
def test_an_actor_whose_orchestrator_is_gone_leaves_its_slot(folder: Path) -> None:
    def forget_at_once(node: Any) -> None:
        sys.modules[type(node).__module__].UNBEGUN_SECONDS = 0.0  # type: ignore[attr-defined]

    actor = ray_job._get_actor(job(folder / "1", "-c", ""), Share(0.0))
    ray = import_ray()
    ray.get(actor.__ray_call__.remote(forget_at_once), timeout=30)
    assert eventually(lambda: is_gone(ray, actor))


def test_a_trial_is_taken_up_by_the_next_orchestrator(
    three_nodes: Cluster, executor: Executor, folder: Path
) -> None:
    with run_elsewhere(three_nodes.address, folder / "1", 8) as killed:
        assert has_begun(folder / "1")
        killed.kill()
    (folder / "1" / "trial.json").write_text("{}")
    assert TrialFolder(folder / "1").has_job({}, "ray"), "or its hours would be charged twice"
    (folder / "1" / "out").unlink()  # as a search does before it hands a trial out again
    end = executor.run(job(folder / "1", "-c", LONG, "8"), threading.Event())
    assert (end.code, end.reason) == (0, "exited")
    assert not TrialFolder(folder / "1").has_job({}, "ray")
    assert end.wall_seconds >= 8, "all of the trial's time, not what was left of it"
    assert (folder / "1" / "out").read_text() == "first\nlast\n"
    assert len((folder / "1" / "starts").read_text().split()) == 1


def test_the_end_of_a_trial_is_kept_for_the_next_orchestrator(
    three_nodes: Cluster, executor: Executor, folder: Path
) -> None:
    with run_elsewhere(three_nodes.address, folder / "1", 2) as killed:
        assert has_begun(folder / "1")
        killed.kill()
    assert eventually(lambda: naming(folder) == [])
    end = executor.run(job(folder / "1", "-c", LONG, "2"), threading.Event())
    assert end.code == 0
    assert (folder / "1" / "out").read_text() == "first\nlast\n"
    assert len((folder / "1" / "starts").read_text().split()) == 1


def test_a_trial_of_another_configuration_is_ended_and_not_taken_up(
    three_nodes: Cluster, executor: Executor, folder: Path
) -> None:
    with run_elsewhere(three_nodes.address, folder / "1", 60) as killed:
        assert has_begun(folder / "1")
        killed.kill()
    end = executor.run(job(folder / "1", "-c", LONG, "0"), threading.Event())
    assert end.code == 0
    assert len((folder / "1" / "starts").read_text().split()) == 2


def test_a_trial_that_its_node_takes_along_is_told_and_can_be_run_on_another(folder: Path) -> None:
    with cluster(1) as small:
        executor, one = small.executor(), job(folder / "1", "-c", LONG, "4")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(executor.run, one, threading.Event())
            assert has_begun(folder / "1")
            small.kill(small.nodes[0])
            assert eventually(lambda: naming(folder) == []), "the trial outlives its node"
            end = running.result(60)
            assert (end.code, end.reason) == (-9, "lost")
            assert "lost on" in end.said
            assert end.said in (folder / "1" / "err").read_text()
            small.added()
            assert executor.run(one, threading.Event()).code == 0
        assert (folder / "1" / "out").read_text() == "first\nlast\n"
        executor.close()


def test_gpus_are_shared_as_asked_and_named_by_the_slots(folder: Path) -> None:
    with cluster(2, num_cpus=0, num_gpus=1) as small:
        whole = small.executor("auto")
        assert (whole.device, whole.slots) == ("cuda", 2)
        whole.close()
        with pytest.raises(ExecutorError, match="--gpu-fraction 2 is not a fraction of a GPU"):
            small.executor("cuda", gpu_fraction=2)
        with pytest.raises(ExecutorError, match=r"no room for a trial .*0 CPUs, 2 GPUs"):
            small.executor("cpu")
        halves = small.executor("cuda", gpu_fraction=0.5)
        assert halves.slots == 4
        one = job(folder / "1", "-c", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
        assert halves.run(one, threading.Event()).slot.endswith("-gpu-0")
        assert (folder / "1" / "out").read_text() == "0\n"
        halves.close()


def test_a_node_that_has_just_died_keeps_no_search_from_the_others() -> None:
    with cluster(2) as small:
        small.kill(small.nodes[0])
        place = ClusterOptions(address=small.address)
        executors.load("ray").create("cpu", trainer=(sys.executable, str(FAKE_TRAINER)), place=place).close()


@pytest.mark.parametrize(
    ("device", "place", "complaint"),
    [
        ("cuda", {}, r"no GPU in the Ray cluster \(4 nodes, 3 CPUs, 0 GPUs\); use --device cpu"),
        ("auto", {"gpu_fraction": 0.5}, "--gpu-fraction 0.5 without a GPU"),
        ("auto", {"partition": "long"}, "--partition long has no effect with --executor ray"),
    ],
)
def test_what_a_cluster_cannot_give_is_refused(
    three_nodes: Cluster, device: str, place: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ExecutorError, match=complaint):
        three_nodes.executor(device, **place)


ARGUMENTS = (
    *("--base", "senet18"),
    *("--study", "s"),
    *("--data", "fake:sleep=4,crash=0.1"),
    *("--budget", "10steps"),
    *("--slots", "3"),
    *("--trials", "12"),
    *("--tolerance", "0.01"),
    *("--early-stop", "0"),
    *("--confirm", "0"),  # which would leave slots idle, and tests here look for all of them busy
    *("--solver", "random"),
)


def counting(folder: Path) -> str:
    """A trainer that leaves a word in `folder`/starts for each training, and is the fake one otherwise."""
    script = folder / "counting.py"
    script.write_text(
        "import runpy, sys\n"
        f"if sys.argv[1] == 'train': open({str(folder / 'starts')!r}, 'a').write(sys.argv[3] + '\\n')\n"
        f"runpy.run_path({str(FAKE_TRAINER)!r}, run_name='__main__')\n"
    )
    return shlex.join([sys.executable, str(script)])


def search(folder: Path, address: str | None) -> list[str]:
    """The command of a search; the record's folder has a trainer that counts."""
    folder.mkdir(exist_ok=True)
    where = ("--executor", "ray", "--address", address) if address else ("--executor", "local")
    return command(folder, *ARGUMENTS, "--trainer", counting(folder), *where)


def starts(folder: Path) -> list[str]:
    """The folders of the trials that were trained, once for each time."""
    return [Path(line).parent.name for line in text(folder / "starts").split()]


def disturbed(folder: Path, disturb: Callable[[subprocess.Popen[str]], None], address: str) -> None:
    """Run the search, disturb it once three of its trials have been trained, and run it to its end."""
    with subprocess.Popen(search(folder, address), stdout=subprocess.DEVNULL, text=True) as study:
        assert eventually(lambda: len(starts(folder)) > 6, 120)
        disturb(study)
        study.wait(200)
    subprocess.run(search(folder, address), check=True, stdout=subprocess.DEVNULL, timeout=200)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The record of that search on this machine, undisturbed."""
    folder = tmp_path_factory.mktemp("calm")
    subprocess.run(search(folder, None), check=True, stdout=subprocess.DEVNULL, timeout=200)
    return record(folder)


def test_a_search_loses_nothing_with_a_node(folder: Path, calm: list[dict[str, object]]) -> None:
    with cluster(3) as opened:

        def kill_a_busy_node(study: subprocess.Popen[str]) -> None:
            assert eventually(lambda: len(set(naming("supervisor.py")) & set(naming(folder))) == 3, 60)
            opened.kill(opened.nodes[0])

        disturbed(folder, kill_a_busy_node, opened.address)
    assert record(folder) == calm
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study("s")
        assert study is not None
        lost = [event for event in store.events(study.id) if event.kind == "trial_lost"]
    assert len(starts(folder)) == len(set(starts(folder))) + len(lost)
    assert len(lost) == 1, "of three trials at once one was on the node"
    assert "lost on" in lost[0].detail["message"]


def test_a_search_that_is_killed_trains_no_running_trial_twice(
    three_nodes: Cluster, folder: Path, calm: list[dict[str, object]]
) -> None:
    disturbed(folder, lambda study: study.kill(), three_nodes.address)
    assert record(folder) == calm
    trained = [row for row in calm if row["state"] in ("completed", "failed")]
    assert len(starts(folder)) == len(set(starts(folder))) == len(trained)


def test_weights_that_a_trial_still_writes_are_kept_by_the_next_orchestrator(
    three_nodes: Cluster, folder: Path
) -> None:
    kill_while_weights_are_written(folder, "--executor", "ray", "--address", three_nodes.address)
    assert [row.weights_bytes is not None for row in trials(folder)] == [True]
    assert set(trained(folder).values()) == {1}


def test_a_result_whose_actor_is_gone_with_the_weights_is_adopted(three_nodes: Cluster, folder: Path) -> None:
    typed = kill_while_weights_are_written(folder, "--executor", "ray", "--address", three_nodes.address)
    TrialFolder(folder / "s" / "00001").remove_weights()
    (folder / "s" / "00001" / "job.json").write_text('{"executor": "ray"}')
    with closing(sqlite3.connect(folder / "results.db")) as database, database:
        database.execute("UPDATE trials SET state = 'running', finished_at = NULL, weights_bytes = NULL")
    subprocess.run(typed, check=True, stdout=subprocess.DEVNULL, timeout=200)
    [row] = trials(folder)
    assert (row.state, row.weights_bytes) == ("completed", None)
    assert set(trained(folder).values()) == {1}


def test_a_search_that_is_stopped_leaves_nothing_running(three_nodes: Cluster, folder: Path) -> None:
    with subprocess.Popen(search(folder, three_nodes.address), stdout=subprocess.DEVNULL) as study:
        assert eventually(lambda: len(starts(folder)) > 2, 120)
        study.terminate()
        assert study.wait(30) == 130
    assert naming(folder) == []
