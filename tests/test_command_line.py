"""What a user can mend ends in one line on stderr and exit code 2: what is wrong, and what to do.

The commands run in this process, so that a table of them stays cheap: an exception that they let out fails
the test as its traceback would fail a user. The trainer is the fake one, in a process of its own as always.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import commands
from results.db.store import Store
from tests.orchestrator._studies import TRAINER, typed

USUAL = {"--base": "senet18", "--data": "fake:", "--budget": "10steps", "--trials": "6", "--confirm": "0"}
USUAL |= {"--device": "cpu", "--slots": "1", "--solver": "random", "--replicates": "1", "--study": "s"}
USUAL |= {"--trainer": TRAINER}

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_signal_handlers() -> Iterator[None]:
    """The commands take over Ctrl-C; give it back to pytest."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def search(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: str) -> int | str | None:
    """Type `nas-search` with the usual options and these (`slots="0"` is `--slots 0`): its exit code."""
    asked = {"--db": str(folder / "results.db"), "--runs": str(folder), **USUAL}
    asked |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    monkeypatch.setattr(sys, "argv", ["nas-search", *(word for pair in asked.items() for word in pair)])
    with pytest.raises(SystemExit) as end:
        commands.nas_search()
    return end.value.code


def refused(capfd: Capture, code: int | str | None, words: str) -> None:
    """Hold what was printed against the rule: exit 2 and one line, which has these words."""
    printed = capfd.readouterr().err
    assert code == 2, printed
    assert printed.count("\n") == 1, printed
    assert printed.startswith("nas-search: ")
    assert words in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base": "senet99"}, "no network 'senet99'; choose from resnet18, senet18"),
        ({"solver": "gradient"}, "--solver gradient is unknown; give one of "),
        ({"executor": "pigeons"}, "--executor pigeons is unknown; give one of local, ray, slurm"),
        ({"executor": "inline"}, "--executor inline is unknown; give one of local, ray, slurm"),
        (
            {"executor": "local", "address": "head:6379"},
            "--address head:6379 has no effect with --executor local",
        ),
        ({"executor": "ray"}, "--executor ray needs a cluster: give --address HOST:PORT, or --address auto"),
        ({"executor": "ray", "address": "head"}, "--address head is not the address of a cluster"),
        ({"executor": "ray", "address": "127.0.0.1:9"}, "no Ray cluster answers at 127.0.0.1:9"),
        ({"executor": "ray", "gpu_fraction": ".5", "budget": "9s"}, "give one in steps, like 500steps"),
        ({"warm_start": "x"}, "--warm-start x: no such study in"),
        ({"trials": "0"}, "--trials 0 is too few; give at least 1"),
        ({"trials": "2", "replicates": "2", "confirm": "1"}, "give at least 3"),
        ({"replicates": "0"}, "--replicates 0 is too few; give at least 1"),
        ({"confirm": "-1"}, "--confirm -1 is negative; give 0 or more"),
        ({"block": "0"}, "--block 0 is out of range; give 1 to 6, the number of --trials"),
        ({"executor": "local", "slots": "0"}, "--slots 0 is too few; give 1 or more"),
        ({"block": "1000000000"}, "--block 1000000000 is out of range; give 1 to"),
        ({"max_macs": "1e400"}, "--max-macs: 1e400 is more than any network has; omit it, or give"),
        ({"max_params": "1e400G"}, "--max-params: 1e400G is more than any network has"),
        ({"width": ".5:1e400"}, "is not a range of multipliers up to 100; write it like"),
        ({"base_depth": "1e9"}, "--base-depth 1000000000.0 is out of range; give at most 100"),
        ({"trials": str(10**50)}, "is out of range; give at most 1000000"),
        ({"timeout": "1e300"}, "--timeout 1e+300 is out of range; give at most 2147483648"),
        ({"min_accuracy": "87"}, "87% is 0.87"),
        ({"tolerance": "nan"}, "half a percentage point is 0.005"),
        ({"min_accuracy": ".8", "tolerance": ".1"}, "omit it with --min-accuracy"),
        ({"min_accuracy": ".8"}, "--replicates 1 has no effect with --min-accuracy"),
        ({"early_stop": "0", "audit": ".2"}, "--audit 0.2 has no effect with --early-stop 0"),
        ({"timeout": "inf"}, "--timeout inf is out of range"),
        (
            {"ingredient": "sam=1"},
            "--ingredient: 'sam=1' has settings that are not a JSON object; write it like",
        ),
        ({"ingredient": "salt"}, "ingredients has unknown keys salt; known are mixup, sam, ensemble"),
        ({"clock": "wall"}, "--clock wall is unknown; give train or strict"),
        ({"seed": "99999999999"}, "--seed 99999999999 is out of range; give 0 to"),
        ({"study": "../s"}, "the name '../s' cannot be the name of a folder"),
        ({"budget": "ten minutes"}, "write it like 600s, 10m, 1h or 500steps"),
        ({"budget": "0s"}, "a budget of 0.0 is out of range; give more than 0"),
        ({"budget": "1.5steps"}, "is not a whole number; write it like 500steps"),
        ({"width": "1:.5"}, "--width '1:.5' is not a range of multipliers up to 100; write it like"),
        ({"width": "2:3"}, "leaves out 1, the base network; give one around 1"),
        ({"base_width": "-1"}, "width is -1.0; give a number above 0"),
        ({"train_images": "60000"}, "there are 50000, ask for fewer"),
        ({"device": "cuda", "executor": "local"}, "use --device cpu to train on the CPU"),
        ({"device": "tpu", "executor": "local"}, "--device tpu is unknown; give auto, cpu or cuda"),
        ({"trainer": "/no/such/trainer"}, "cannot start the trainer '/no/such/trainer': No such file"),
        ({"trainer": "python 'x"}, "--trainer: No closing quotation"),
        ({"trainer": ""}, "--trainer is empty; give a command"),
        ({"trainer": f"{sys.executable} -c pass"}, "did not answer; run it by hand to see why"),
        ({"db": "mysql://host/name"}, "is neither SQLite nor PostgreSQL; give a file"),
        ({"db": "/proc/results.db"}, "make its folder writable, or give another --db"),
        ({"runs": "/proc/runs"}, "/proc/runs: No such file or directory; fix that"),
    ],
    ids=lambda given: " ".join(map(str, given.values())) if isinstance(given, dict) else "",
)
def test_an_option_that_cannot_be_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture, options: dict[str, str], words: str
) -> None:
    if "device" in options:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    refused(capfd, search(monkeypatch, tmp_path, **options), words)


def test_a_folder_under_a_file_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    (tmp_path / "file").write_text("")
    refused(
        capfd, search(monkeypatch, tmp_path / "file" / "runs"), "Not a directory; give a --db that you can"
    )
    code = search(monkeypatch, tmp_path, runs=str(tmp_path / "file" / "runs"))
    refused(capfd, code, "Not a directory; fix that and run the same command again")


def test_a_machine_without_room_for_a_thread_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    def start_none(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    for name in ("_start_new_thread", "_start_joinable_thread"):  # until Python 3.12, and from 3.13 on
        monkeypatch.setattr(threading, name, start_none, raising=False)
    code = search(monkeypatch, tmp_path)
    refused(capfd, code, "can't start new thread; raise the limit of processes and threads (ulimit -u")


def test_a_file_that_is_no_database_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("what I think of networks\n" * 100)
    refused(capfd, search(monkeypatch, tmp_path, db=str(notes)), "file is not a database; give another --db")
    assert notes.read_text() == "what I think of networks\n" * 100


def test_a_database_of_a_newer_version_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    database = tmp_path / "results.db"
    Store(database).close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    refused(capfd, search(monkeypatch, tmp_path), "made by a newer version")


def test_a_study_that_another_process_runs_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    with Store(tmp_path / "results.db") as store, store.lock_study("s"):
        refused(capfd, search(monkeypatch, tmp_path), "study 's' is running in this process")


def test_another_question_under_a_recorded_name_is_refused_with_the_difference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    assert search(monkeypatch, tmp_path, executor="local") == 0  # inline it would catch what is said here
    capfd.readouterr()
    code = search(monkeypatch, tmp_path, budget="20steps")
    refused(capfd, code, "budget steps: 10 recorded, 20 now; give another --study name")


def test_a_real_process_says_no_more_than_the_one_line(tmp_path: Path) -> None:
    ended = typed(tmp_path, "--base", "senet99", "--data", "fake:")
    assert ended.returncode == 2
    assert ended.stderr == "nas-search: no network 'senet99'; choose from resnet18, senet18, resnet_budget\n"
    assert ended.stdout == ""


def test_a_command_starts_without_what_only_its_end_needs() -> None:
    program = "import sys, orchestrator.cli.commands as _; "
    program += "print([name for name in ('pandas', 'torch', 'scipy', 'sqlalchemy') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n", "half a second and more to import, of every command"


def test_an_evaluation_that_cannot_be_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Capture
) -> None:
    asked = ["--model", "senet18", "--data", "fake:", "--runs", "11", "--trainer", TRAINER]
    monkeypatch.setattr(sys, "argv", ["nas-evaluate", *asked, "--folder", str(tmp_path), "--device", "cpu"])
    with pytest.raises(SystemExit) as end:
        commands.nas_evaluate()
    printed = capfd.readouterr()
    assert (end.value.code, printed.out) == (2, "")
    assert printed.err.startswith("nas-evaluate: --runs 11 of 5000+0 images, none used twice, need 55000")
    assert printed.err.count("\n") == 1
