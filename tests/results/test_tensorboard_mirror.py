"""Studies as TensorBoard itself reads them."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from typer.testing import CliRunner

from results import tensorboard_mirror
from results.cli.commands import main
from results.db.store import Store
from results.errors import StoreError
from results.mirror import MirrorResult, follow
from tests.results.processes import ROOT
from tests.results.test_optuna_mirror import SPACE, begin, curve, search, train


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "results.db")
    with Store(path) as store:
        search(store)
    return path


def read(folder: Path, trial: int) -> EventAccumulator:
    found = EventAccumulator(str(folder / "demo" / f"{trial:05d}"))
    found.Reload()
    return found


def scalars(folder: Path, trial: int) -> dict[str, list[float]]:
    found = read(folder, trial)
    return {tag: [event.value for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_curves_and_results_of_trainings_are_there_and_skipped_candidates_are_not(
    tmp_path: Path, db: str
) -> None:
    brought = tensorboard_mirror.export(db, "demo", tmp_path / "tb")
    assert brought == MirrorResult(added=6, ended=0, total=6, state="running")
    assert sorted(path.name for path in (tmp_path / "tb" / "demo").iterdir()) == [
        f"{number:05d}" for number in (1, 2, 3, 6, 7, 8)
    ]
    told = scalars(tmp_path / "tb", 2)
    assert told["validation/accuracy"] == pytest.approx([0.4475, 0.895])
    assert told["result/accuracy"] == pytest.approx([0.895])
    assert told["size/MACs"] == [5_000_000]
    assert scalars(tmp_path / "tb", 8) == {}


def test_the_settings_of_a_training_are_its_hyperparameters(tmp_path: Path, db: str) -> None:
    tensorboard_mirror.export(db, "demo", tmp_path)
    told = read(tmp_path, 2).PluginTagToContent(metadata.PLUGIN_NAME)
    begun = metadata.parse_session_start_info_plugin_data(told[metadata.SESSION_START_INFO_TAG])
    settings = {name: value.WhichOneof("kind") for name, value in begun.hparams.items()}
    assert settings == {
        "width": "number_value",
        "rate": "number_value",
        "blocks": "number_value",
        "pooling": "string_value",
        "purpose": "string_value",
        "replicate": "number_value",
    }
    assert begun.hparams["width"].number_value == 0.5
    ended = plugin_data_pb2.HParamsPluginData.FromString(told[metadata.SESSION_END_INFO_TAG])
    assert ended.session_end_info.status == 1  # success
    assert metadata.SESSION_END_INFO_TAG not in read(tmp_path, 8).PluginTagToContent(metadata.PLUGIN_NAME)


def test_the_same_again_changes_nothing_and_what_is_new_is_appended(tmp_path: Path, db: str) -> None:
    folder = tmp_path / "tb"
    tensorboard_mirror.export(db, "demo", folder)
    before = files(folder)
    assert tensorboard_mirror.export(db, "demo", folder) == MirrorResult(0, 0, 6, "running")
    command = "from results.cli.commands import nas_results; nas_results()"
    words = ["export", "demo", "--tensorboard", str(folder), "--db", db]
    subprocess.run([sys.executable, "-c", command, *words], check=True, cwd=ROOT)  # with other hashes
    assert files(folder) == before
    with Store(db) as store:
        study = store.study("demo")
        assert study is not None
        (running,) = [row.id for row in store.trials(study.id) if row.number == 8]
        store.finish_trial(running, "completed", curve((1.0, 0.7)), val_accuracy=0.7)
        train(store, study, 9, 1_000_000, 0.6)
    assert tensorboard_mirror.export(db, "demo", folder) == MirrorResult(1, 1, 7, "running")
    after = files(folder)
    assert all(after[name].startswith(content) for name, content in before.items())
    assert scalars(folder, 8)["result/accuracy"] == pytest.approx([0.7])


def test_an_earlier_study_of_that_name_is_replaced(tmp_path: Path, db: str) -> None:
    folder = tmp_path / "tb"
    tensorboard_mirror.export(db, "demo", folder)
    other = tmp_path / "other"
    other.mkdir()
    with Store(other / "results.db") as store:
        from tests.results.records import open_study

        train(store, open_study(store, space=SPACE), 1, 7_000_000, 0.5)
    tensorboard_mirror.export(str(other / "results.db"), "demo", folder)
    assert list(files(folder)) == [f"demo/00001/{tensorboard_mirror.FILE}"]
    assert scalars(folder, 1)["size/MACs"] == [7_000_000]


def test_a_mirror_follows_until_the_study_ends(tmp_path: Path, db: str) -> None:
    looks: list[MirrorResult] = []
    folder = tmp_path / "tb"
    words: Any = (lambda: tensorboard_mirror.export(db, "demo", folder), 0.01, looks.append)
    following = threading.Thread(target=follow, args=words)
    following.start()
    with Store(db) as store:
        study = store.study("demo")
        assert study is not None
        begin(store, study, 9, 1_000_000)
        deadline = time.monotonic() + 60
        while sum(look.added for look in looks) < 7:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        store.end_study(study.id, "finished", "the budget is spent")
    following.join(timeout=60)
    assert not following.is_alive()


def test_the_commands_write_it_and_refuse_two_at_once(tmp_path: Path, db: str) -> None:
    folder, ask = tmp_path / "tb", CliRunner().invoke
    told = ask(main, ["export", "demo", "--tensorboard", str(folder), "--db", db])
    assert told.exit_code == 0, told.output
    assert "6 trials added" in told.output
    assert files(folder)
    for words in (["export", "demo"], ["export", "demo", "--to", "x.csv", "--tensorboard", "y"]):
        refused = ask(main, [*words, "--db", db])
        assert (refused.exit_code, "give a file to write" in refused.stderr) == (2, True)
    refused = ask(main, ["mirror", "demo", "--optuna", "x", "--tensorboard", "y", "--db", db])
    assert (refused.exit_code, "run the command twice" in refused.stderr) == (2, True)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, db: str) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match=r"--tensorboard .*taken.*; give another folder"):
        tensorboard_mirror.export(db, "demo", tmp_path / "taken")
