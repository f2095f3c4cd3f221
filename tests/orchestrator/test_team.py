"""Replicates that one process trains: the record is that of trainings alone, whoever is killed."""

import json
import os
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator import options, report, team
from orchestrator.executors import Exit
from orchestrator.order import Order
from results.store import Store
from tests.orchestrator._processes import FAKE_TRAINER, eventually, naming
from tests.orchestrator._studies import command, evaluate, record, run, settled, trials
from tests.thinned import rest_slow

ONE_BY_ONE = f"""
import runpy, sys
if sys.argv.count("--config") > 1:
    sys.exit("usage: one --config")
runpy.run_path({str(FAKE_TRAINER)!r}, run_name="__main__")
"""
LAST_ALONE = f"""
import runpy, sys
if "--config" in sys.argv:
    sys.argv[2:] = sys.argv[-2:]
runpy.run_path({str(FAKE_TRAINER)!r}, run_name="__main__")
"""


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study("s")
        assert study is not None
        return [event.detail for event in store.events(study.id) if event.kind == kind]


def teams_seen(folder: Path) -> list[str]:
    """The folders in which the lines of several trials were written."""
    return [each.parent.name for each in sorted((folder / "s").glob(f"0*/{team.LINES}"))]


def test_a_baseline_in_stacks_is_recorded_as_one_trained_alone(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    run(alone, replicates=5, trials=7)
    run(together, replicates=5, trials=7, stack=2)
    assert record(together) == record(alone)
    assert teams_seen(together) == ["00001", "00003"]
    assert teams_seen(alone) == []


def test_confirmations_in_a_stack_are_recorded_as_those_trained_alone(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    asked: dict[str, Any] = {"tolerance": 0.2, "confirm": 3, "trials": 10, "block": 2, "data": "fake:noise=0"}
    run(alone, **asked)
    run(together, **asked, stack=4)
    assert record(together) == record(alone)
    confirmed = [row.number for row in trials(together) if row.purpose == "confirmation"]
    assert teams_seen(together)[:2] == ["00001", f"{confirmed[0]:05d}"]


@pytest.mark.parametrize(
    "fault", rest_slow(["diverge_above=0.6", "oom=0.4", "nan", "noresult"], ["oom=0.4", "noresult"])
)
def test_failures_in_a_stack_are_those_of_trainings_alone(tmp_path: Path, fault: str) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    asked = {"model": ["senet18", "resnet18"], "runs_of_each": 3, "data": f"fake:{fault}"}
    evaluate(alone, **asked)
    evaluate(together, **asked, stack=3)
    assert record(together) == record(alone)
    assert len(teams_seen(together)) == (2 if fault != "noresult" else 0)


def test_nobody_is_blamed_for_the_crash_of_another(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    asked = {"runs_of_each": 6, "data": "fake:crash=0.3"}
    evaluate(alone, **asked)
    evaluate(together, **asked, stack=6)
    assert record(together) == record(alone)
    states = [row["state"] for row in record(alone)]
    first = states.index("failed")
    assert 0 < first < 5, "the draw must crash one in the middle"
    unstacked = [detail["number"] for detail in events(together, "trial_unstacked")]
    assert unstacked == list(range(first + 1, 7))


@pytest.mark.parametrize("source", [ONE_BY_ONE, LAST_ALONE], ids=["refuses", "takes the last"])
def test_a_trainer_that_takes_one_configuration_trains_them_alone(tmp_path: Path, source: str) -> None:
    program = tmp_path / "trainer.py"
    program.write_text(source)
    trainer = shlex.join([sys.executable, str(program)])
    evaluate(tmp_path / "alone", runs_of_each=2)
    evaluate(tmp_path / "together", runs_of_each=2, trainer=trainer, stack=2)
    assert record(tmp_path / "together") == record(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["orchestrator", "trainer"])
def test_after_a_kill_nothing_that_had_ended_is_trained_again(tmp_path: Path, victim: str) -> None:
    asked = "--model senet18 --data fake:sleep=0.3 --runs 4 --budget 10steps --study s --slots 1 --stack 4"
    typed = command(tmp_path / "harried", *asked.split(), program="nas_evaluate")
    lines = tmp_path / "harried" / "s" / "00001" / team.LINES
    with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as study:
        assert eventually(lambda: lines.exists() and '"final", "trial": 1' in lines.read_text(), 30)
        guards = naming("_guard.py")
        trainers = [pid for pid in naming(tmp_path / "harried") if pid not in (study.pid, *guards)]
        os.kill(study.pid if victim == "orchestrator" else trainers[0], signal.SIGKILL)
        ended = study.wait(60)
    assert ended == (-signal.SIGKILL if victim == "orchestrator" else 0)
    subprocess.run(typed, check=True, capture_output=True, timeout=60)
    evaluate(tmp_path / "calm", runs_of_each=4)
    ended_as = [
        {**row, "exit_code": 0} for row in record(tmp_path / "harried")
    ]  # nobody saw one adopted exit
    assert ended_as == record(tmp_path / "calm")
    assert [row.attempts for row in trials(tmp_path / "harried")] == [1, 1, 2, 2]


def test_stacks_hold_what_differs_in_seed_and_images_alone() -> None:
    plain = {"seed": 0, "subset": {"train": 10, "seed": 0, "part": 0}, "scale": {"width": 1.0}}
    replicate = {**plain, "seed": 1, "subset": {"train": 10, "seed": 0, "part": 1}}
    wider, more = {**plain, "scale": {"width": 2.0}}, {**plain, "subset": {"train": 11, "seed": 0}}
    orders = cast("list[Order]", [SimpleNamespace(config=each) for each in (plain, wider, replicate, more)])
    formed = [[orders.index(order) for order in each] for each in team.teams(orders, 2)]
    assert formed == [[0, 2], [1], [3]]
    assert [len(each) for each in team.teams(orders, 1)] == [1, 1, 1, 1]


def test_a_share_holds_the_lines_of_its_trial_alone(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    said = [{"event": "epoch", "trial": 0}, {"event": "final", "trial": 1}, {"event": "final"}]
    team.share_out(folders).write_text("".join(json.dumps(one) + "\n" for one in said) + '{"event": "fin')
    for number, folder in enumerate(folders):
        assert report.latest_epoch(*team.place(folder)) == (said[0] if number == 0 else None)
        team.take_share(folder)
        assert report.read(folder / "metrics.jsonl").events == (said[number],)


def test_a_member_ends_as_its_own_lines_say(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    end = Exit(-9, "exited", "cpu-0", 8.0, now, now)
    metrics = tmp_path / "metrics.jsonl"
    for said, code in (({"event": "final"}, 0), ({"event": "error", "reason": "diverged"}, 3)):
        metrics.write_text(json.dumps(said) + "\n")
        own = team.own_end(end, metrics, 4)
        assert own is not None
        assert (own.code, own.wall_seconds) == (code, 2.0)
    metrics.write_text('{"event": "epoch"}\n')
    assert team.own_end(end, metrics, 4) is None


@pytest.mark.parametrize(
    ("given", "said"), [({"stack": 0}, "--stack 0"), ({"stack": 2, "clock": "strict"}, "--clock")]
)
def test_a_stack_that_cannot_be_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(options.BadOption, match=said):
        settled(tmp_path, **given)
