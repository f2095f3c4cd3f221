"""What of the executor `ray` needs no cluster: its two ends, joined by calls in this process."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.executors import ExecutorError, Job
from orchestrator.executors._process.files import identify
from orchestrator.executors.ray import actor, cluster
from orchestrator.executors.ray.actor import Greeting, Status, TrialActor, find_missing
from orchestrator.executors.ray.cluster import Share
from orchestrator.executors.ray.transfer import actor_name, find_needed, keep_marker, make_transfer
from tests.orchestrator._processes import HOSTING_TRAINER, eventually, job, naming, training

FAR, NEAR = Greeting("far", "", None, sees_folder=False), Greeting("near", "", None, sees_folder=True)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrialActor]:
    monkeypatch.setattr(actor, "_LOOK_SECONDS", 0.05)
    opened = TrialActor()
    yield opened
    opened.end(5)


def ended(node: TrialActor, one: Job, greeting: Greeting = FAR) -> Status:
    """Run a job to its end: the last look, with everything that was printed."""
    node.begin(make_transfer(one, greeting, on_gpu=False))
    out, err = b"", b""
    while True:
        look = node.look(len(out), len(err))
        out, err = out + look.out, err + look.err
        if look.ending or look.refused:
            return replace(look, out=out, err=err)


def test_a_trial_that_is_sent_away_finds_its_configuration_there(node: TrialActor, tmp_path: Path) -> None:
    one = training(tmp_path / "1")
    sent = make_transfer(one, FAR, on_gpu=False)
    assert sent.files is not None
    assert set(sent.files) == {"trial.json"}
    assert sent.needed == (str(HOSTING_TRAINER),)
    node.begin(sent)
    shutil.rmtree(tmp_path / "1")  # as on another machine
    look = ended(node, training(tmp_path / "1"))
    assert look.ending is not None
    assert (look.ending.code, look.refused) == (0, None)
    assert b'"event": "final"' in look.out


def test_files_that_a_trial_made_or_changed_come_back_and_no_others(node: TrialActor, tmp_path: Path) -> None:
    source = (
        "import pathlib, sys; there = pathlib.Path(sys.argv[1]); "
        "print(there.read_text(), there.parent == pathlib.Path.cwd()); there.write_text('later'); "
        "pathlib.Path('new').write_bytes(bytes(3_000_000))"
    )
    one = job(tmp_path / "1", "-c", source, tmp_path / "1" / "checkpoint.pt")
    (one.folder / "checkpoint.pt").write_text("early")
    (one.folder / "kept.json").write_text("{}")
    assert ended(node, one).out == b"early True\n"
    assert sorted(node.changed()) == ["checkpoint.pt", "new"]
    assert node.fetch("files/checkpoint.pt", 0) == b"later"
    first = node.fetch("files/new", 0)
    rest = [node.fetch("files/new", number * len(first)) for number in (1, 2)]
    assert b"".join([first, *rest]) == bytes(3_000_000)
    assert (one.folder / "checkpoint.pt").read_text() == "early"


def test_a_node_that_sees_the_folder_is_sent_nothing(node: TrialActor, tmp_path: Path) -> None:
    source = "import os, pathlib; pathlib.Path('made').touch(); print(os.getcwd())"
    one = job(tmp_path / "1", "-c", source)
    with keep_marker(one.folder) as (path, content):
        assert node.hello(path, content).sees_folder
        assert not node.hello(path, "another folder of that name").sees_folder
    assert not node.hello(path, content).sees_folder
    assert ended(node, one, NEAR).out.decode().split() == [str(one.folder)]
    assert node.changed() == []
    assert [path.name for path in one.folder.iterdir()] == ["made"]


def test_a_folder_of_another_machine_is_not_seen(node: TrialActor) -> None:
    assert not node.hello("/nowhere/.seen", "").sees_folder


def test_a_trial_is_begun_once_however_often_it_is_asked_for(node: TrialActor, tmp_path: Path) -> None:
    one = job(tmp_path / "1", "-c", "open('starts', 'a').write('.'); import time; time.sleep(.3)")
    node.begin(make_transfer(one, NEAR, on_gpu=False))
    assert ended(node, one, NEAR).ending is not None
    assert (one.folder / "starts").read_text() == "."
    assert node.hello("", "").running == identify(one)


def test_all_of_what_is_printed_is_seen_before_the_end(node: TrialActor, tmp_path: Path) -> None:
    one = job(tmp_path / "1", "-c", "import sys; print('x' * 5_000_000); sys.exit('the end')")
    look = ended(node, one)
    assert (len(look.out), look.err) == (5_000_001, b"the end\n")


def test_a_stop_reaches_a_trial_while_another_call_waits(node: TrialActor, tmp_path: Path) -> None:
    threading.Timer(0.5, node.stop).start()
    look = ended(node, training(tmp_path / "1", "fake:hang"))
    assert look.ending is not None
    assert look.ending.reason == "stopped"


def test_an_actor_that_is_ended_takes_its_trial_and_its_files_along(node: TrialActor, tmp_path: Path) -> None:
    node.begin(make_transfer(training(tmp_path / "1", "fake:hang"), NEAR, on_gpu=False))
    assert eventually(lambda: b"machine" in node.look(0, 0).out)
    node.end(5)
    assert naming(tmp_path / "1") == []
    assert not node._folder.exists()


FORGOTTEN = """
import os, sys, time
from functools import partial
from pathlib import Path
from orchestrator.executors.ray import actor
from orchestrator.executors.ray.actor import Greeting
from orchestrator.executors.ray.transfer import make_transfer
from tests.orchestrator._processes import job
actor.UNBEGUN_SECONDS, actor.RESULT_SECONDS = map(float, sys.argv[2:4])
node = actor.TrialActor(partial(os._exit, 0))
if sys.argv[4:]:
    one = job(Path(sys.argv[1]), "-c", sys.argv[4])
    node.begin(make_transfer(one, Greeting("", "", None, True), False))
if sys.argv[5:]:
    while node._ended is None:
        time.sleep(0.05)
    node.end(0)
time.sleep(60)
"""


PATIENCE = [("0", "60"), ("60", "0", "open('ran', 'w')"), ("60", "0", "open('ran', 'w')", "end")]


@pytest.mark.parametrize("patience", PATIENCE, ids=["unbegun", "over", "ended and not killed"])
def test_an_actor_that_nobody_asks_leaves_with_its_files(tmp_path: Path, patience: tuple[str, ...]) -> None:
    (tmp_path / "far").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "far")}
    words = [sys.executable, "-c", FORGOTTEN, str(tmp_path / "1"), *patience]
    ended = subprocess.run(words, cwd=Path(__file__).parents[3], env=environment, timeout=30, check=False)
    assert ended.returncode == 0
    assert list((tmp_path / "far").iterdir()) == []
    assert (tmp_path / "1" / "ran").exists() == (len(patience) > 2)


WITHOUT_RESULTS = """
import sys
sys.modules["results"] = None  # as if it were not installed
import orchestrator.executors.ray.actor
"""


def test_a_node_needs_no_other_package_than_is_sent_to_it() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_RESULTS], check=True)


def test_no_thread_is_left_that_could_end_a_process_which_is_no_actor_s(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    node = TrialActor()
    assert ended(node, job(tmp_path / "1", "-c", "")).ending is not None
    node.end(5)
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_what_a_node_lacks_is_said_with_its_name(tmp_path: Path) -> None:
    assert find_missing((sys.executable, "-m", "trainer"), ()) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        assert "there is no torch on" in (find_missing(("python", "-m", "trainer"), ()) or "")
    (tmp_path / "train.sh").touch()
    (own,) = find_needed((sys.executable, "train.sh", str(tmp_path / "train.sh")))
    (tmp_path / "train.sh").unlink()
    assert f"there is no {own} on" in (find_missing((), (own,)) or "")


def test_the_weights_that_a_training_starts_from_must_be_on_the_node(tmp_path: Path) -> None:
    weights = tmp_path / "elsewhere" / "model.safetensors"
    one = replace(training(tmp_path / "1"), needed=(weights,))
    needed = make_transfer(one, FAR, on_gpu=False).needed
    assert needed[-1] == str(weights)
    assert f"there is no {weights} on" in (find_missing((), needed[-1:]) or "")


def test_a_job_is_known_by_its_command_and_its_configuration(tmp_path: Path) -> None:
    one = training(tmp_path / "1")
    before = identify(one)
    (one.folder / "checkpoint.pt").write_text("grows")
    assert identify(replace(one, timeout_seconds=5.0)) == before
    assert identify(replace(one, command=(*one.command, "--more"))) != before
    assert identify(training(tmp_path / "1", "fake:noise=0")) != before


def test_the_actor_of_a_folder_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = actor_name(tmp_path / "s" / "00001")
    assert mine.startswith("s/00001-")
    assert mine != actor_name(tmp_path / "t" / "s" / "00001")
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert mine != actor_name(tmp_path / "s" / "00001")


@pytest.mark.parametrize(
    ("gpus", "resources", "trials"),
    [
        (0.0, {"CPU": 8.0}, 8),
        (0.0, {"GPU": 8.0}, 0),
        (1.0, {"CPU": 1.0, "GPU": 4.0}, 4),
        (0.5, {"GPU": 2.0}, 4),
        (0.3, {"GPU": 2.0}, 6),
        (0.1, {"GPU": 1.0}, 10),
        (1.0, {"CPU": 64.0}, 0),
    ],
)
def test_a_share_fits_as_often_as_whole_devices_hold_it(
    gpus: float, resources: dict[str, float], trials: int
) -> None:
    assert Share(gpus).fits(resources) == trials


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"needs Ray; run pip install -e '\.\[ray\]' in the checkout"):
        cluster.import_ray()
