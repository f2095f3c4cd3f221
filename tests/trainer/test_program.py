"""The program from outside: its lines, its exit codes, its signals.

Where neither stdin nor a signal nor an import is what is tested it runs in a fork of a host.
"""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.configs import trial
from tests.trainer.conftest import Forked
from trainer import describe
from trainer.report import Report

COMMAND = [sys.executable, "-P", "-m", "trainer"]
ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the lines of stdout decoded, stderr."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def config_file(folder: Path, **changes: Any) -> str:
    path = folder / "trial.json"
    path.write_text(json.dumps(trial(**changes)))
    return str(path)


def test_a_program_started_without_some_of_its_streams_says_the_same_on_the_others() -> None:
    words = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *COMMAND, "recipes"]
    done = subprocess.run(words, stdout=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert {json.loads(line)["event"] for line in done.stdout.splitlines()} == {"recipe"}


def test_models_lists_the_networks() -> None:
    code, lines, _ = run("models")
    assert code == 0
    found = {line["name"]: line for line in lines}
    assert {"resnet18", "senet18", "resnet9", "vgg19"} <= set(found)
    assert found["senet18"]["scales"] == ["depth", "width", "resolution"]
    assert all(line["summary"] for line in lines)


def test_recipes_are_listed_with_their_ingredients(forked: Forked) -> None:
    code, lines, _ = forked("recipes")
    found = {line["name"]: line for line in lines}
    assert code == 0
    assert found["nomad_haet"]["ingredients"]["cutout"] == {"share": 0.5}
    assert found["nomad_haet"]["hyperparameters"]["batch_size"] == 128


def test_a_list_whose_reader_has_gone_ends_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "models"], stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_neither_listing_nor_refusing_imports_torch(tmp_path: Path) -> None:
    for arguments in (["models"], ["train", "--config", config_file(tmp_path, model="vgg")]):
        program = [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments]
        done = subprocess.run(program, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert "| argparse" in done.stderr.replace("|   ", "| ")
        assert "torch" not in done.stderr


def test_a_training_exits_0_and_ends_with_its_final_line(forked: Forked, tmp_path: Path) -> None:
    code, lines, _ = forked("train", "--config", config_file(tmp_path))
    assert code == 0
    assert (lines[0]["event"], lines[-1]["event"]) == ("model", "final")


def test_a_refused_configuration_exits_2_with_one_line_on_each_stream(tmp_path: Path) -> None:
    code, lines, stderr = run("train", "--config", config_file(tmp_path, model="vgg"))
    assert code == 2
    assert [(line["event"], line["reason"]) for line in lines] == [("error", "refused")]
    assert "model 'vgg' is not known; known: " in lines[0]["message"]
    assert "vgg19" in lines[0]["message"]
    assert stderr.count("\n") == 1


def test_a_missing_configuration_exits_2(tmp_path: Path) -> None:
    code, lines, _ = run("train", "--config", str(tmp_path / "absent.json"))
    assert (code, lines[-1]["reason"]) == (2, "refused")


def test_a_diverged_training_exits_3(forked: Forked, tmp_path: Path) -> None:
    hyperparameters = {"learning_rate": 1000.0, "weight_decay": 10.0, "batch_size": 20}
    code, lines, _ = forked("train", "--config", config_file(tmp_path, hyperparameters=hyperparameters))
    assert (code, lines[-1]["reason"]) == (3, "diverged")


def test_sigterm_while_importing_exits_143(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        while not _heeds(process.pid, signal.SIGTERM):
            time.sleep(0.01)
        process.terminate()
        assert process.wait(60) == 143


def _heeds(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal, as its first line sets."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return bool(int(words[words.index("SigCgt:") + 1], 16) >> (number - 1) & 1)


@pytest.mark.slow  # a fork is stopped so in test_host.py
def test_sigterm_while_training_exits_143_and_leaves_whole_lines(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in ("model", "machine", "engine")]
        process.terminate()
        assert process.wait(10) == 143
    assert [json.loads(line)["event"] for line in lines] == ["model", "machine", "engine"]


def test_describe_measures_the_latency_of_files_where_it_is_asked(forked: Forked, tmp_path: Path) -> None:
    paths = [tmp_path / "small.json", tmp_path / "large.json"]
    for path, width in zip(paths, (0.0625, 0.25), strict=True):
        path.write_text(json.dumps(trial(scale={"width": width})))
    code, lines, _ = forked(
        "describe", "--latency", *(word for path in paths for word in ("--config", str(path)))
    )
    assert code == 0
    assert [line["channels"][0] for line in lines] == [8, 16]
    assert all(line["latency_ms"] > 0 and line["latency_iqr_ms"] >= 0 for line in lines)


def test_describe_answers_every_line_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, for the orchestrator's tests start it as one (tests/orchestrator/test_networks.py)."""
    greedy = trial(subset={"train": 5000, "validation": 1000, "seed": 0})
    asked = [trial(), trial(model="vgg"), trial(scale={"width": 0.5}), trial(image_size=600), greedy]
    typed = "".join(json.dumps(one) + "\n" for one in asked)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    answers = io.StringIO()
    describe.describe(Report(answers), check_data=True, timed=False)
    lines = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["model", "error", "model", "error", "error"]
    assert lines[2]["macs"] > lines[0]["macs"]
    assert lines[0]["dataset"]["name"] == "digits"
    assert lines[0]["dataset"]["train_images"] == 5000
    assert lines[0]["dataset"]["class_images"] == {str(digit): 500 for digit in range(10)}
    assert lines[0]["dataset"]["drawn"] == {str(digit): [10, 5] for digit in range(10)}
    assert lines[0]["batch_size"] == 20
    assert "from 8 to 128" in lines[3]["message"]
    assert "class 0 has 500 training images" in lines[4]["message"]


def started(folder: Path) -> "subprocess.Popen[str]":
    """A training that would last 100 seconds."""
    return subprocess.Popen(
        [*COMMAND, "train", "--config", config_file(folder, budget={"seconds": 100})],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    )
