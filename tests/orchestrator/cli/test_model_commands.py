"""nas-export and nas-predict: a trained network by the name of its model, its trial or its folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from orchestrator.cli import model_commands
from tests.orchestrator._processes import eventually
from tests.orchestrator._trained import MODEL, STUDY, make_study
from tests.trainer._saved import CLASSES
from tests.trainer.test_export import WITHOUT_PROJECT
from trainer import load_model

PROGRAM = (
    "import sys; from orchestrator.cli import model_commands; sys.argv = sys.argv[1:]; model_commands.{}()"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("trained")
    make_study(made)
    return made


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in the database, with empty files."""
    made = tmp_path_factory.mktemp("recorded")
    make_study(made, is_trained=False)
    return made


def command(program: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-c", PROGRAM.format(program.replace("-", "_")), program, *words]


def typed(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder, and run it to its end."""
    return subprocess.run(
        command(program, *words), cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )


def refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], program: str, *words: str
) -> str:
    """Type a command in this process that ends before it starts another: the one line that it prints."""
    monkeypatch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as end:
        getattr(model_commands, program.replace("-", "_"))()
    printed = capfd.readouterr()
    assert (end.value.code, printed.out, printed.err.count("\n")) == (2, "", 1), printed
    return printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nas-predict"], "Missing argument 'MODEL'"),
        (["nas-predict", MODEL], "Missing argument 'IMAGE…'"),
        (["nas-predict", "nomad_x", "a.jpg"], f"there is no model 'nomad_x'; there are: {MODEL}"),
        (["nas-predict", f"{STUDY}:9", "a.jpg"], f"no trial 9 in study '{STUDY}'"),
        (["nas-predict", "other:1", "a.jpg"], f"there is no study 'other'; there are {STUDY}"),
        (["nas-predict", MODEL, "a.jpg", "--json", "--csv"], "--json and --csv are two layouts; give one"),
        (
            ["nas-predict", MODEL, "a.jpg", "--device", "tpu"],
            "--device tpu is unknown; give one of auto, cpu",
        ),
        (["nas-export", MODEL], "Missing option '--to'"),
        (
            ["nas-export", MODEL, "--to", "tflite"],
            "--to tflite is unknown; give one of onnx, pt2, safetensors",
        ),
        (["nas-export", MODEL, "--to", "pt2", "--db", "no.db"], "there is no database no.db"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_asked_is_told_in_one_line(
    recorded: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(recorded)
    assert refused(monkeypatch, capfd, *words).startswith(f"{words[0]}: {said}")


@pytest.mark.parametrize(
    ("words", "offered"),
    [("nas-predict nom", [MODEL]), (f"nas-export {MODEL} --to ", list(model_commands.FORMATS))],
)
def test_a_shell_completes_models_and_formats(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, words: str, offered: list[str]
) -> None:
    program, *typed_so_far = words.split(" ")
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(typed_so_far))}
    asked[f"_{program.upper().replace('-', '_')}_COMPLETE"] = "complete_bash"
    for name, value in (asked | {"NAS_DB": str(recorded / "runs" / "results.db")}).items():
        monkeypatch.setenv(name, value)
    assert typed(recorded, program).stdout.split() == offered


@pytest.mark.slow  # imports torch in a process of its own, as the next ones do
@pytest.mark.timeout(600)
def test_a_model_predicts_by_its_name_as_its_first_repeat_does(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "photos" / "test", tmp_path / "--csv")  # a name that looks like an option
    where = ("--json", "--runs", str(root / "runs"), "--", MODEL, "--csv")
    done = typed(tmp_path, "nas-predict", *where)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["prediction"] * 36 + ["scores"]
    model, preprocess = load_model(root / "runs" / STUDY / "00004")
    expected = model.predict(torch.stack([preprocess(tmp_path / event["image"]) for event in events[:-1]]))
    found = torch.tensor([list(event["probabilities"].values()) for event in events[:-1]])
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_trainer_refuses_ends_with_its_line_and_code(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "runs" / STUDY / "00004", tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    shutil.copytree(root / "photos" / "test", tmp_path / "others")
    (tmp_path / "others" / "star").rename(tmp_path / "others" / "comet")
    picture = str(root / "photos" / "test" / "star" / "0.jpg")
    for model, image, said in (
        ("cut", picture, "is not the file that model.json was written for"),
        (MODEL, "others", "comet"),
        (MODEL, "nothing.jpg", "no file or folder nothing.jpg"),
    ):
        done = typed(tmp_path, "nas-predict", model, image, "--runs", str(root / "runs"))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert done.stderr.startswith("nas-predict: ")
        assert said in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_exported_model_runs_without_the_project_and_its_card_tells_its_search(
    root: Path, tmp_path: Path
) -> None:
    words = (MODEL, "--to", "pt2", "--runs", str(root / "runs"), "--licence=CC0", "--json")
    done = typed(tmp_path, "nas-export", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["file"] == f"{MODEL}.pt2"
    card = (tmp_path / f"{MODEL}.pt2.md").read_text()
    for said in (
        f"# {MODEL}\n",
        "Trial 3 is the best with 1.00 M MACs, 50% less than the base network's 2.00.",
        "- MACs: 1.00M, 50% less than the base network's 2.00M",
        "- trainings of this network: mean 87.00% [85.00%, 89.00%], n 2",
        "as given by its user: CC0.",
    ):
        assert said in card
    [program] = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    (tmp_path / "run.py").write_text(program)
    pictures = [str(root / "photos" / "test" / name / "1.jpg") for name in CLASSES]
    run = [sys.executable, "-I", "-c", WITHOUT_PROJECT, "run.py", *pictures]
    lines = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    predicted = typed(root, "nas-predict", MODEL, *pictures, "--json").stdout.splitlines()
    assert [line.split()[1] for line in lines] == [json.loads(line)["class"] for line in predicted]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_ends_a_command_without_a_traceback(root: Path) -> None:
    words = command("nas-export", MODEL, "--to", "pt2", "--output", "cut.pt2")
    with subprocess.Popen(
        words, cwd=root, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert eventually(lambda: children.read_text() != "", 60)
        maps = Path(f"/proc/{children.read_text().split()[0]}/maps")
        assert eventually(lambda: "torch" in maps.read_text(), 60)  # before that Python itself is starting
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 130
    assert not list(root.glob("cut*"))
