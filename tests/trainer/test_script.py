"""Scripts of a user's own behind the protocol: how they get settings, and what becomes of their lines."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator._processes import eventually, naming

TELLS = "import json, os, sys; "
SETTINGS: dict[str, Any] = {"lr": 0.1, "layers": 2}


def adapter(
    folder: Path,
    source: str,
    config_as: str = "words",
    score: str = "accuracy",
    program: str = sys.executable,
) -> list[str]:
    """The command that trains once with a script of this source. score: `any NAME` for any number"""
    script, config = folder / "train.py", folder / "trial.json"
    script.write_text(source)
    asked = {"model": "train", "dataset": "script", "hyperparameters": SETTINGS, "seed": 7}
    if not config.exists():
        config.write_text(json.dumps({**asked, "budget": {"seconds": 30}}))
    own = [
        "--config-as",
        config_as,
        f"--score={score.removeprefix('any ')}",
        "--folder",
        str(folder / "started"),
    ]
    own += ["--any-number"] if score.startswith("any ") else []
    words = [sys.executable, "-P", "-m", "trainer.script", *own, f"--script={program} {script}"]
    return [*words, "train", "--config", str(config)]


def trained(folder: Path, source: str, *, budget: float = 30.0, **ways: str) -> tuple[int, list[Any], str]:
    """The exit code, the events and the log of a training."""
    words = adapter(folder, source, **ways)
    change_budget(folder, budget)
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


def change_budget(folder: Path, seconds: float) -> None:
    config = json.loads((folder / "trial.json").read_text())
    (folder / "trial.json").write_text(json.dumps({**config, "budget": {"seconds": seconds}}))


@pytest.mark.parametrize(
    ("config_as", "told"),
    [
        ("words", "sys.argv[1:] == ['--lr=0.1', '--layers=2']"),
        ("file", "json.load(open(sys.argv[-1])) == {'lr': 0.1, 'layers': 2}"),
        ("environment", "(os.environ['lr'], os.environ['layers'], len(sys.argv)) == ('0.1', '2', 1)"),
    ],
)
def test_a_script_gets_its_settings_as_it_wants_them(tmp_path: Path, config_as: str, told: str) -> None:
    source = f"{TELLS} print(json.dumps({{'val_accuracy': float({told})}}))"
    code, events, _ = trained(tmp_path, source, config_as=config_as)
    assert code == 0
    assert events[-1]["val_accuracy"] == 1.0
    source = f"{TELLS} print({{}} if os.environ['NAS_SEED'] != '7' else '{{\"val_accuracy\": 0.5}}')"
    assert trained(tmp_path, source, config_as=config_as)[1][-1]["val_accuracy"] == 0.5


def test_a_script_runs_where_the_search_was_started_or_else_with_its_trial(tmp_path: Path) -> None:
    source = "import os; print('{\"val_accuracy\": %d}' % os.path.exists('data.csv'))"
    assert trained(tmp_path, source)[1][-1]["val_accuracy"] == 0
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "data.csv").write_text("")
    assert trained(tmp_path, source)[1][-1]["val_accuracy"] == 1


def test_its_lines_are_the_curve_and_the_last_one_is_the_result(tmp_path: Path) -> None:
    source = (
        "import json; print('hello'); print('{broken'); print('[1]'); print('{\"other\": 1}')\n"
        "for e in range(3): print(json.dumps({'epoch': e, 'progress': e / 2, 'val_accuracy': e / 10}))\n"
    )
    code, events, log = trained(tmp_path, source)
    assert code == 0
    assert [event["event"] for event in events] == ["model", "machine", "epoch", "epoch", "epoch", "final"]
    told = [(event["epoch"], event["progress"], event["val_accuracy"]) for event in events[2:5]]
    assert told == [(0, 0.0, 0.0), (1, 0.5, 0.1), (2, 1.0, 0.2)]
    assert events[-1]["val_accuracy"] == 0.2
    assert events[-1]["steps"] == 3
    assert {"hello", "{broken", "[1]"} <= set(log.splitlines())


def test_another_number_is_sought_by_its_name(tmp_path: Path) -> None:
    source = 'print(\'{"f1": 0.25, "lr": 3, "val_accuracy": 93}\')'
    _, events, _ = trained(tmp_path, source, score="f1")
    assert (events[-1]["val_f1"], events[-1]["val_accuracy"]) == (0.25, None)


@pytest.mark.parametrize("value", [1234.5, -3, 0, 1e300, -1e300, 2**70])
def test_any_number_is_sought_by_exactly_its_name(tmp_path: Path, value: float) -> None:
    source = f'print(\'{{"loss": {value}, "val_loss": 7, "val_accuracy": 93}}\')'
    code, events, _ = trained(tmp_path, source, score="any loss")
    assert code == 0
    assert (events[-1]["score"], events[-1]["val_loss"], events[-1]["val_accuracy"]) == (value, 7, None)


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        ('"0.5"', 2, "the script reports loss '0.5', which is not a number; print one, without quotes"),
        ("[1]", 2, "loss [1], which is not a number"),
        ("NaN", 3, "the script reports loss nan"),
        ("-1e999", 3, "the script reports loss -inf"),
        (f"1{400 * '0'}", 3, "the script reports loss 1000"),
    ],
)
def test_what_is_no_finite_number_is_refused_or_has_diverged(
    tmp_path: Path, told: str, code: int, words: str
) -> None:
    found, events, _ = trained(tmp_path, f"print('{{\"loss\": {told}}}')", score="any loss")
    assert (found, events[-1]["event"]) == (code, "error")
    assert words in events[-1]["message"]


def test_of_very_many_lines_ever_fewer_are_passed_on_and_the_last_is_the_result(tmp_path: Path) -> None:
    source = "for e in range(20_000): print('{\"loss\": %d}' % e)"
    code, events, _ = trained(tmp_path, source, score="any loss")
    passed = [event["score"] for event in events if event["event"] == "epoch"]
    assert (code, events[-1]["score"], events[-1]["steps"]) == (0, 19_999, 20_000)
    assert passed[:1000] == list(range(1000))
    assert 2000 < len(passed) < 4000
    assert passed == sorted(passed)


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("print('{\"val_accuracy\": NaN}')", 3, "the script reports accuracy nan"),
        ("print('{\"val_accuracy\": 91}')", 2, "accuracy 91, which is not a share in [0, 1]"),
        ("print('{\"val_accuracy\": true}')", 2, "accuracy True, which is not a share"),
        ('print(\'{"val_accuracy": 0.5, "progress": 7}\')', 2, "progress 7, which is not a share"),
        ('print(\'{"val_accuracy": 0.5, "progress": "half"}\')', 2, "progress 'half', which is not"),
    ],
)
def test_a_number_that_cannot_be_sought_is_refused(
    tmp_path: Path, source: str, code: int, words: str
) -> None:
    found, events, _ = trained(tmp_path, source)
    assert found == code
    assert words in events[-1]["message"]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("pass", 1, 'the script ended without a line like {"val_accuracy": 0.91} on its output'),
        (
            'print(\'{"acc": 0.5, "epoch": 1}\')',
            1,
            "docs/scripts.md); its last line of JSON has acc, epoch",
        ),
        ("raise SystemExit('bad luck')", 1, "bad luck"),
        ("raise SystemExit(9)", 9, ""),
        ("raise SystemExit(3)", 1, ""),  # which means nothing of a script
        ("import argparse; argparse.ArgumentParser().parse_args()", 2, "unrecognized arguments: --lr=0.1"),
        ("import os; print('{\"val_accuracy\": 0.5}', flush=True); os.kill(os.getpid(), 9)", 137, ""),
    ],
)
def test_a_script_that_fails_has_no_result(tmp_path: Path, source: str, code: int, words: str) -> None:
    found, events, log = trained(tmp_path, source)
    assert found == code
    assert words in log
    assert "final" not in [event["event"] for event in events]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print('epoch 1 done'); raise ValueError('bad')", "ValueError: bad"),
        ("raise SystemExit(3)", "the script ended with exit code 3"),
    ],
)
def test_why_it_failed_is_the_last_line_of_its_standard_error(
    tmp_path: Path, source: str, message: str
) -> None:
    _, events, log = trained(tmp_path, source)
    assert (events[-1]["event"], events[-1]["message"]) == ("error", message)
    assert "epoch 1 done" in log or "epoch" not in source


def test_lines_may_have_any_other_keys_and_those_of_the_protocol_too(tmp_path: Path) -> None:
    told = {"event": "final", "val_accuracy": 0.5, "train_loss": 2.0, "steps": "x", "test_accuracy": 91}
    code, events, _ = trained(tmp_path, f"import json; print(json.dumps({told}))")
    assert (code, [event["event"] for event in events[2:]]) == (0, ["epoch", "final"])
    assert (events[-1]["train_loss"], events[-1]["steps"]) == (2.0, 1)
    assert "test_accuracy" not in events[-1]


def test_a_name_that_no_environment_can_have_is_refused(tmp_path: Path) -> None:
    words = adapter(tmp_path, "", config_as="environment")
    config = json.loads((tmp_path / "trial.json").read_text())
    (tmp_path / "trial.json").write_text(json.dumps({**config, "hyperparameters": {"a=b": 1}}))
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "the settings cannot be given as environment: illegal environment variable name" in ended.stdout


def test_a_process_that_a_script_leaves_with_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    leaves = "from subprocess import *; Popen(['sleep', '60'], start_new_session=True, stderr=DEVNULL)"
    source = leaves + "\nprint('{\"val_accuracy\": 0.5}')"
    code, events, _ = trained(tmp_path, source)
    assert (code, events[-1]["event"]) == (0, "final")  # and no warning: it was not stopped at its budget
    assert events[-1]["train_seconds"] < 30


def test_a_command_that_is_not_there_is_refused(tmp_path: Path) -> None:
    words = adapter(tmp_path, "", program="/no/such/program")
    ended = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "cannot start '/no/such/program': No such file or directory" in ended.stdout


FOREVER = "import json, time\nfor e in range(10**6):\n print('{\"val_accuracy\": 0.5}')\n time.sleep(.1)\n"
DEAF = f"import signal; signal.signal(15, signal.SIG_IGN)\n{FOREVER}"
WITH_A_CHILD = f"import subprocess; subprocess.Popen(['sleep', '600'])\n{FOREVER}"


@pytest.mark.parametrize(
    "source",
    [FOREVER, pytest.param(DEAF, marks=pytest.mark.slow), WITH_A_CHILD],
    ids=["polite", "deaf", "with a child"],
)
def test_a_script_is_stopped_at_its_budget_and_that_is_said(tmp_path: Path, source: str) -> None:
    code, events, _ = trained(tmp_path, source, budget=2.0)
    assert code == 0
    assert events[-2]["event"] == "final"
    assert events[-2]["val_accuracy"] == 0.5
    assert events[-2]["train_seconds"] >= 2
    assert events[-1] == {"event": "warning", "message": "the script was stopped at its budget of 2 s"}
    assert naming(tmp_path) == []


def test_without_a_line_until_then_the_budget_was_too_short(tmp_path: Path) -> None:
    code, events, _ = trained(tmp_path, "import time; time.sleep(600)", budget=0.5)
    assert code == 5
    assert events[-1]["reason"] == "budget_too_short"


def test_sigterm_reaches_the_script_and_all_that_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(adapter(tmp_path, WITH_A_CHILD), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert eventually(lambda: '"epoch"' in (process.stdout.readline() if process.stdout else ""))
        os.kill(process.pid, signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 143
    assert "final" not in rest
    assert eventually(lambda: naming(tmp_path) == [])


def test_the_protocol_s_helper_reads_settings_and_reports_and_needs_no_torch(tmp_path: Path) -> None:
    source = (
        "import sys; from trainer.protocol import trial\n"
        "config = trial(lr=1.0, momentum=.9)\n"
        "assert dict(config) == {'lr': 0.1, 'layers': 2, 'momentum': .9}\n"
        "assert (config.seed, config.budget_seconds, config.budget_steps) == (7, 30, None)\n"
        "trial.report(epoch=1, val_accuracy=config['lr'])\n"
        "assert 'torch' not in sys.modules\n"
    )
    code, events, log = trained(tmp_path, source)
    assert (code, log) == (0, "")
    assert events[-1]["val_accuracy"] == 0.1
    by_hand = (
        "from trainer.protocol import trial; c = trial(lr=1.0); print(c['lr'], c.budget_seconds, len(c))"
    )
    ended = subprocess.run([sys.executable, "-c", by_hand], capture_output=True, text=True, check=True)
    assert ended.stdout == "1.0 None 1\n"


def test_the_description_changes_with_the_script_alone(tmp_path: Path) -> None:
    def source(text: str) -> str:
        words = adapter(tmp_path, text)
        told = subprocess.run(
            [*words[: words.index("train")], "describe", "--check-data"],
            input=(tmp_path / "trial.json").read_text(),
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(told.stdout)["source"])

    assert source("a = 1") == source("a = 1") != source("a = 2")
