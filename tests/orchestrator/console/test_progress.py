import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.console.format import short_point_text
from orchestrator.console.progress import LiveProgress, PlainProgress, ProgressMeter, start_meter
from orchestrator.console.size_plot import size_plot
from orchestrator.console.summary import _comparison, known_accuracies
from orchestrator.spec.objective import default_objective
from orchestrator.trainer_client import NetworkInfo
from orchestrator.trial.folder import TrialFolder
from orchestrator.trial.request import RunningTrial, TrialRequest
from results.db.tables import Model, Study, Trial

POINT = {"depth": 1.0, "width": 0.671875}


def trial(number: int, **columns: Any) -> Trial:
    given = {"purpose": "search", "point": POINT, "macs": 250_340_000, "state": "completed", **columns}
    return Trial(number=number, created_at=datetime.now(UTC), **given)


def running(folder: Path, number: int) -> RunningTrial:
    description = NetworkInfo("senet18", 1_000_000, "counter", 1, (64,), (2,), 32, 32, 10, {})
    request = TrialRequest(number, "search", POINT, 0, {}, description)
    (folder / "metrics.jsonl").write_text(json.dumps({"event": "epoch", "val_accuracy": 0.4321}) + "\n")
    return RunningTrial(request, trial(number, state="running"), TrialFolder(folder))


def screen(folder: Path) -> str:
    """What a terminal shows with a trial on a slot, one that waits, an end of each kind, and a best."""
    console = Console(file=io.StringIO(), force_terminal=True, width=150, height=40)
    shown = LiveProgress(console, ProgressMeter(10, 600.0), "nas-senet18")
    best = trial(4, val_accuracy=0.8765, wall_seconds=3600.0, slot_seconds=3600.0)
    for row in (best, trial(5, state="failed", reason="diverged", message="loss is nan")):
        shown.show_end(row)
    shown.show_untrained(trial(6, state="duplicate", of_trial_number=4))
    shown.show_best(best)
    working, waiting = running(folder, 7), running(folder, 8)
    working.start("gpu-0")
    shown.tick([working, waiting])
    with console.capture() as captured:
        console.print(shown._render())
    shown.close()
    return captured.get()


def test_a_screen_shows_trials_with_clock_and_last_accuracy_the_best_and_the_budget(tmp_path: Path) -> None:
    text = screen(tmp_path)
    assert "43.21%" in text, "the last accuracy of the trial under way"
    assert "on gpu-0" in text
    assert "waits for a worker" in text
    assert "failed: diverged" in text
    assert "duplicate of 4" in text
    assert "best so far (provisional): trial 4" in text
    assert "2/10 trainings, 1.000 device-hours, about 4.0 h left" in text


def test_a_pipe_gets_one_plain_line_an_event() -> None:
    printed = io.StringIO()
    plain = PlainProgress(Console(file=printed, width=40), ProgressMeter(10, 600.0))
    plain.show_end(trial(4, val_accuracy=0.8765, wall_seconds=36.0))
    plain.show_untrained(trial(5, state="screened"))
    plain.close()
    first, second = printed.getvalue().splitlines()
    assert first.startswith("trial 4 depth 1 width 0.6719: 250.34 M MACs, accuracy 87.65% [1/10 trainings")
    assert "skipped before training" in second
    assert "\x1b" not in printed.getvalue()


def narrow(width: int, height: int = 40, trials: int = 1) -> str:
    """What a terminal of this size shows of a search with a best network."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height)
    shown = LiveProgress(console, ProgressMeter(10, 600.0), "nas-senet18")
    point = {"depth": 0.875, "width": 0.5625, "resolution": 0.75}
    confirming = {"purpose": "confirmation", "of_trial_number": 12}
    for number in range(1, trials + 1):
        row = trial(number, val_accuracy=0.8765, wall_seconds=3600.0, point=point, **confirming)
        shown.show_end(row)
    shown.show_best(row)
    printed = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=width, height=height)
    with printed.capture() as captured:
        printed.print(shown._render())
    shown.close()
    return re.sub(r"\x1b\[[0-9;]*m", "", captured.get())


@pytest.mark.parametrize(
    ("width", "whole"),
    [
        (120, ["repeat of 12", "250.34", "87.65%", "3600.0", "accuracy", "completed"]),
        (80, ["repeat of 12", "250.34", "87.65%", "3600.0", "accuracy"]),
        (60, ["d0.875", "250.34", "87.65%", "accuracy"]),
        (40, ["250.34", "87.65%", "accuracy"]),
    ],
)
def test_a_narrow_screen_folds_words_leaves_columns_out_and_cuts_no_number(
    width: int, whole: list[str]
) -> None:
    text = narrow(width)
    assert "…" not in text
    table = [line for line in text.splitlines() if "│" in line or "┃" in line]
    assert all(any(words in line for line in table) for words in whole)
    assert all(line[-1] in "┃┓┩┘│" for line in table), "the table's edge is in view"


def test_a_low_screen_shows_the_summary_and_the_latest_trials() -> None:
    text = narrow(80, height=16, trials=10)
    assert "10/10 trainings" in text
    assert "best so far" in text
    assert len(text.splitlines()) <= 16
    assert "│ 10 " in text


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ({"depth": 1.25, "width": 1.0625, "resolution": 0.5}, "d1.25 w1.062 r0.5"),
        ({"learning_rate": 0.1, "layers": 2, "optimizer": "sgd"}, "le0.1 la2 o=sgd"),
        ({"a": True, "ab": 1}, "aTrue ab1"),
        (None, ""),
    ],
)
def test_a_short_candidate_has_names_that_still_tell_its_values_apart(
    point: dict[str, Any] | None, text: str
) -> None:
    assert short_point_text(point, None) == text


def test_a_resumed_search_shows_what_ended_before() -> None:
    study = Study(budget_trials=10, budget_slot_hours=None)
    rows = [trial(number, val_accuracy=0.8, point={"depth": 1.0}) for number in range(1, 4)]
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=40)
    shown = LiveProgress(console, start_meter(study, 600.0, 1, rows), "nas-senet18")
    with console.capture() as captured:
        console.print(shown._render())
    shown.close()
    assert all(f"│ {number} " in captured.get() for number in (1, 2, 3))


def network(number: int, macs: int, accuracy: float, **columns: Any) -> Trial:
    return trial(number, macs=macs, val_accuracy=accuracy, **columns)


def test_a_small_plot_has_the_base_the_network_found_and_what_is_required() -> None:
    rows = [network(1, 100_000_000, 0.9, purpose="baseline"), network(2, 50_000_000, 0.95)]
    rows += [network(number, 10_000_000 * number, 0.8 + 0.02 * number) for number in (3, 4)]
    rows += [
        network(5, 20_000_000, 0.3),
        trial(6, state="failed"),
        network(7, 1, 0.99, purpose="confirmation"),
    ]
    candidates = {2: (0.95, 1), 3: (0.86, 1), 4: (0.88, 1), 5: (0.3, 1)}
    known = known_accuracies(candidates, rows, rows[1], Model(val_accuracy=0.91, trainings=3))
    assert known == {1: (0.9, 1), 2: (0.91, 3), 3: (0.86, 1), 4: (0.88, 1), 5: (0.3, 1)}
    means = {number: mean for number, (mean, _) in known.items()}
    lines = size_plot(rows, default_objective("nas"), means, 0.89, 2, 60)
    assert lines[0].startswith("  91.00% |")
    assert lines[0].count("*") == 1
    assert sum(line.count("B") for line in lines[:-1]) == 1
    assert sum(line.count("·") for line in lines[:-1]) == 3
    assert sum("-" in line for line in lines[:-1]) == 1
    assert lines[-2].split("M MACs")[0].strip() == "20.00"
    assert lines[-2].endswith("100.00 M MACs")
    assert max(map(len, lines[:-1])) <= 60


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_the_result_fits_on_a_terminal(width: int) -> None:
    rows = [network(1, 37_750_000, 0.9, purpose="baseline", parameters=783_000)]
    rows += [network(number, 9_000_000 * number, 0.9, parameters=number) for number in range(2, 8)]
    model = Model(name="nomad_senet18", val_accuracy=0.91, trainings=3)
    known, aim = {1: (0.9, 1), 2: (0.91, 3)}, default_objective("nas")
    table = _comparison(Study(name="nas-senet18", kind="nas"), aim, model, rows[0], rows[1], known)
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    lines += size_plot(
        rows, aim, {1: 0.9, **{number: 0.8 + number / 100 for number in range(2, 8)}}, 0.85, 2, width
    )
    assert max(len(line.rstrip()) for line in lines) <= width
    assert [line.split() for line in lines if line.startswith("accuracy")] == [
        ["accuracy", "90.00%", "91.00%"]
    ]


@pytest.mark.parametrize(("count", "width"), [(4, 80), (9, 30)])
def test_without_networks_or_room_there_is_no_plot(count: int, width: int) -> None:
    rows = [network(number, 1_000_000 * number, 0.5 + number / 100) for number in range(1, count + 1)]
    known = {row.number: 0.5 + row.number / 100 for row in rows}
    assert size_plot(rows, default_objective("nas"), known, None, None, width) == []
