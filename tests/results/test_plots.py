"""The plots of studies of every size: what they show, what they leave out, and that it can be told apart."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results import plots, study_record
from results.db.store import Store
from results.errors import NotOnRecord
from results.format import BELOW, MET_ONCE, SKIPPED, STOPPED_EARLY
from results.plots._look import COLOURS, GROUNDS, LOOKS
from results.plots.importance import importances
from results.plots.path import steps
from results.plots.timeline import uses
from results.report._figures import of_study
from results.study_record import StudyRecord
from tests.results.processes import ROOT
from tests.results.records import complete, config, open_study
from tests.thinned import rest_slow

Drawing = Callable[..., Any]
DRAWN: tuple[Drawing, ...] = (
    plots.front,
    plots.incumbent,
    plots.learning_curves,
    plots.slices,
    plots.parallel,
    plots.contour,
    plots.importance,
    plots.timeline,
)
SPACE = [{"kind": "real", "name": name, "low": 0.1, "high": 1.0, "log": False} for name in ("width", "depth")]
STATES = (SKIPPED, STOPPED_EARLY, "failed", "rejected", "confirmed", MET_ONCE, BELOW, "baseline")


def study_of(folder: Path, trials: int, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A study of so many trials of every outcome."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    importlib.import_module("_records").write_study(str(folder / "results.db"), "s", trials)
    return study_record.read_study(str(folder / "results.db"), "s")


@pytest.fixture
def judged(store: Store, db: str) -> StudyRecord:
    """A study in which trial 4 leads, is rejected by trials 5 and 6, and 7 is confirmed by 8 and 9."""
    study = open_study(store, space=SPACE)
    complete(store, study, 1, 10_000_000, 0.9, purpose="baseline", point={"width": 1.0, "depth": 1.0})
    store.set_bound(
        study.id, min_accuracy=0.88, baseline_accuracy=0.9, baseline_std=None, baseline_replicates=1
    )
    complete(store, study, 3, 8_000_000, 0.91, point={"width": 0.8, "depth": 1.0})
    trials = {
        4: (2_000_000, 0.89, {"width": 0.2, "depth": 1.0}),
        7: (5_000_000, 0.90, {"width": 0.5, "depth": 0.9}),
    }
    verdicts = {4: ("rejected", 0.2, (0.85, 0.86)), 7: ("confirmed", 0.99, (0.895, 0.9))}
    for number, (macs, accuracy, point) in trials.items():
        found = complete(store, study, number, macs, accuracy, point=point)
        verdict, chance, again = verdicts[number]
        for place, repeated in enumerate(again, 1):
            more: dict[str, Any] = {"purpose": "confirmation", "of_trial_number": number, "point": point}
            complete(store, study, number + place, macs, repeated, replicate=place, **more)
        store.judge_trial(found.id, verdict, {}, probability=chance)
    for number, state in ((10, "screened"), (11, "duplicate")):
        store.answer_trial(study.id, number, state, purpose="search", macs=9_000_000, of_trial_number=7)
    for number, state in ((12, "failed"), (13, "pruned")):
        begun = store.start_trial(study.id, number, purpose="search", macs=3_000_000, config=config(0.3))
        store.finish_trial(begun.id, state, reason="diverged")
    return study_record.read_study(db, "demo")


def texts(figure: Any) -> list[str]:
    """The words under the cursor."""
    return [word for trace in figure.data for word in (trace.text or trace.hovertext or ()) if word]


def trace(figure: Any, name: str) -> Any:
    return next(found for found in figure.data if found.name == name)


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("trials", rest_slow([0, 1, 40], [0, 40]))
def test_every_plot_is_drawn_of_a_study_of_any_size(
    draw: Drawing, trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = draw(study_of(tmp_path, trials, monkeypatch))
    json.loads(figure.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert figure.layout.title.text
    if figure.data:
        named = [axis.title.text for axis in figure.select_xaxes() if axis.title.text]
        named += [
            axis.label for lines in figure.select_traces({"type": "parcoords"}) for axis in lines.dimensions
        ]
        assert named, "an axis without a name"
    else:
        assert trials < 40
        assert figure.layout.annotations[0].text, "an empty plot that does not say why"


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWN)
def test_a_study_of_5000_trials_is_drawn_with_a_note_of_what_is_left_out(
    draw: Drawing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = draw(study_of(tmp_path, 5000, monkeypatch))
    assert sum(len(found.x) for found in figure.data) <= 12_000
    if draw not in (plots.timeline, plots.front):
        assert " of " in figure.layout.meta["note"]


def test_no_two_outcomes_look_alike_in_colour_and_symbol() -> None:
    looks = {state: LOOKS[state] for state in STATES}
    assert len({look.symbol for look in looks.values()}) == len(STATES)
    told_apart = (SKIPPED, STOPPED_EARLY, "failed", "rejected", "confirmed", MET_ONCE)
    assert len({looks[state].colour for state in told_apart}) == len(told_apart)


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_colour_is_seen_on_light_and_on_dark_ground(ground: str) -> None:
    contrasts = {
        colour: contrast(colour, GROUNDS[ground])
        for colour in (*COLOURS, *(look.colour for look in LOOKS.values()))
    }
    assert {colour: found for colour, found in contrasts.items() if found < 3} == {}


@pytest.mark.parametrize("theme", plots.TEMPLATES)
def test_words_are_readable_on_their_ground(theme: str) -> None:
    layout = plots.TEMPLATES[theme].layout
    assert contrast(layout.font.color, layout.paper_bgcolor) >= 7
    assert layout.font.size >= 12


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_front_shows_what_is_known_of_each_network(judged: StudyRecord) -> None:
    figure = plots.front(judged)
    confirmed, rejected = trace(figure, "confirmed"), trace(figure, "rejected")
    assert confirmed.y == pytest.approx([89.75]), "the mean of the replicates, not what it was picked by"
    assert confirmed.error_y.array[0] > 0
    assert rejected.y == pytest.approx([85.5])
    assert list(trace(figure, "Pareto front").x) == [2.0, 5.0, 8.0]
    assert [found.name for found in figure.data if found.yaxis == "y2"] == ["failed", STOPPED_EARLY, SKIPPED]
    lines = [shape.y0 for shape in figure.layout.shapes if shape.type == "line"]
    assert lines == pytest.approx([90, 88]), "the baseline and the bound"
    assert [(shape.y0, shape.y1) for shape in figure.layout.shapes if shape.type == "rect"] == [(88.0, 90.0)]


def test_the_cursor_tells_the_trial_its_point_and_its_accuracy(judged: StudyRecord) -> None:
    [words] = trace(plots.front(judged), "confirmed").text
    assert "<b>trial 7</b>: confirmed" in words
    assert "width 0.5" in words
    assert "5.00 M MACs" in words
    assert "89.75%" in words


def test_words_under_the_cursor_hold_no_tags_of_a_user(store: Store, db: str) -> None:
    study = open_study(store, "<script>", space=SPACE)
    for number, width in enumerate(("<img src=x>", "<b>"), 1):
        complete(store, study, number, 1_000_000 * number, 0.9, point={"width": width, "depth": 1.0})
    shown = study_record.read_study(db, "<script>")
    drawn = [
        *texts(plots.front(shown)),
        *texts(plots.slices(shown)),
        *[t.name for t in plots.fronts([shown]).data],
    ]
    assert drawn
    assert not any("<img" in words or "<script" in words for words in drawn)


def test_the_path_turns_back_where_the_incumbent_is_rejected(judged: StudyRecord) -> None:
    led = [(step.provisional or {}).get("number") for step in steps(judged)]
    sure = [(step.confirmed or {}).get("number") for step in steps(judged)]
    assert led == [None, 3, 4, 4, 3, 7, 7, 7, 7, 7]
    assert sure == [None, None, None, None, None, None, None, 7, 7, 7]


def test_a_trial_stopped_early_counts_for_its_share_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, 60, monkeypatch)
    pruned = [row for row in study.rows if row["state"] == "pruned"]
    assert list(steps(study))[-1].trainings == pytest.approx(len(study.trained) - 0.6 * len(pruned))
    assert study.study["spent"] == pytest.approx(list(steps(study))[-1].trainings)
    words = trace(plots.front(study), STOPPED_EARLY).text
    assert all("stopped at 40%: expected 80.00%, required 89.00%" in said for said in words)


def test_the_path_goes_by_the_hours_of_all_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(tmp_path, 40, monkeypatch)
    spent = [step.hours for step in steps(study)]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(sum(row["wall_seconds"] for row in study.trained) / 3600)
    assert plots.incumbent(study, over="hours").layout.xaxis.title.text == "device-minutes"


def test_curves_go_by_share_of_the_budget_or_by_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, 40, monkeypatch)
    by_share, by_seconds = plots.learning_curves(study), plots.learning_curves(study, against="seconds")
    assert max(filter(None, trace(by_share, "baseline").x)) == pytest.approx(100)
    assert max(filter(None, trace(by_seconds, "baseline").x)) == pytest.approx(60)
    assert {found.name for found in by_share.data} >= {"baseline", STOPPED_EARLY, BELOW}


def test_curves_that_matter_are_shown_whatever_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = plots.learning_curves(study_of(tmp_path, 200, monkeypatch))
    assert figure.layout.meta["note"].startswith("60 of ")
    assert trace(figure, "baseline").x.count(None) == 3


def test_the_parameter_that_the_accuracy_follows_is_the_most_important(store: Store, db: str) -> None:
    study = open_study(store, space=SPACE)
    for number in range(1, 25):
        point = {"width": number / 24, "depth": (number * 7 % 24) / 24}
        complete(store, study, number, 1_000_000 * number, 0.5 + 0.4 * point["width"], point=point)
    found = importances(study_record.read_study(db, "demo"))
    assert set(found) == {"fanova", "ped_anova"}
    assert all(shares["width"] > 0.8 for shares in found.values())
    assert found == importances(study_record.read_study(db, "demo")), "the same each time"


def test_importance_is_told_only_where_there_are_trials_enough_and_with_their_number(
    store: Store, db: str
) -> None:
    study = open_study(store, space=SPACE)
    for number in range(1, 12):
        point = {"width": number / 24, "depth": (number * 7 % 24) / 24}
        complete(store, study, number, 1_000_000 * number, 0.5 + 0.4 * point["width"], point=point)
    figure = plots.importance(study_record.read_study(db, "demo"))
    assert "needs 12 trained candidates" in figure.layout.annotations[0].text
    assert "there are 11" in figure.layout.annotations[0].text
    complete(store, study, 12, 1_000_000, 0.7, point={"width": 0.7, "depth": 0.5})
    assert plots.importance(study_record.read_study(db, "demo")).layout.meta["note"] == "n = 12 trials"


def test_the_surface_goes_through_what_was_trained_and_over_the_two_that_matter(
    store: Store, db: str
) -> None:
    space = [*SPACE, {"kind": "real", "name": "rate", "low": 0.001, "high": 1.0, "log": True}]
    study = open_study(store, space=space)
    for number in range(25):
        width, exponent = number // 5 / 4, number % 5 / 4
        point = {"width": width, "depth": 0.1 * (number % 3 + 1), "rate": 10 ** (3 * exponent - 3)}
        reached = 0.5 + 0.3 * width + 0.1 * exponent
        complete(store, study, number + 1, 1_000_000, reached, point=point, config=config(width))
    surface, dots = plots.contour(study_record.read_study(db, "demo")).data
    assert list(dots.x) == pytest.approx([number // 5 / 4 for number in range(25)])
    assert min(dots.y) == pytest.approx(0.001)
    across = dict(zip(surface.x, surface.z[0], strict=True))
    assert across[0.0] == pytest.approx(50.0)
    assert across[1.0] == pytest.approx(80.0)
    assert surface.z[-1][-1] == pytest.approx(90.0)


def test_lines_over_all_parameters_end_at_what_they_reached(judged: StudyRecord) -> None:
    figure = plots.parallel(judged)
    assert list(figure.layout.xaxis.ticktext) == ["width", "depth", "accuracy (%)"]
    lines = [list(found.y)[:3] for found in figure.data]
    assert [line[0] for line in lines] == pytest.approx([0.0, 1.0, 0.375, 0.75])  # .2, 1, .5 and .8 of width
    assert [line[2] for line in lines] == pytest.approx([0.0, 0.5, 0.5, 1.0])  # 89, 90, 90 and 91%
    marks = [(mark.x, mark.text) for mark in figure.layout.annotations]
    assert {(0, "0.2"), (0, "1"), (2, "89"), (2, "91")} <= set(marks)


@pytest.mark.parametrize("trained", [2, 6, 16])
def test_the_best_candidate_is_in_the_best_fifth_however_many_there_are(
    store: Store, db: str, trained: int
) -> None:
    study = open_study(store, space=SPACE)
    for number in range(1, trained + 1):
        point = {"width": number / 20, "depth": 1 / number}
        complete(store, study, number, 1_000_000, 0.5 + number / 50, point=point)
    figure = plots.parallel(study_record.read_study(db, "demo"))
    assert sum(list(line.x).count(None) for line in figure.data) == trained
    assert figure.data[-1].name == "best fifth"
    assert figure.data[-1].y[-2] == 1.0  # of the accuracy, the last axis


def test_losses_and_rates_have_curves_of_their_own(store: Store, db: str) -> None:
    study = open_study(store, space=SPACE)
    begun = store.start_trial(study.id, 1, purpose="search", point={"width": 1.0, "depth": 1.0}, macs=1)
    told = [
        {"progress": p, "val_accuracy": p, "train_loss": 2.0 - p, "learning_rate": 10 ** (-3 * p)}
        for p in (0.25, 0.5, 1.0)
    ]
    store.finish_trial(begun.id, "completed", told, val_accuracy=1.0)
    record = study_record.read_study(db, "demo")
    (losses,) = plots.learning_curves(record, of="train_loss").data
    assert list(losses.y)[:3] == [1.75, 1.5, 1.0]
    rates = plots.learning_curves(record, of="learning_rate")
    assert rates.layout.yaxis.type == "log"
    assert not plots.learning_curves(record, of="val_loss").data


def test_chosen_trials_have_curves_of_their_own(judged: StudyRecord) -> None:
    figure = plots.learning_curves(judged, against="seconds", trials=(7, 4, 12))
    assert [found.name for found in figure.data] == ["trial 7: confirmed", "trial 4: rejected"]
    assert list(figure.data[0].y)[:2] == pytest.approx([45, 90])
    assert len({(found.line.color, found.line.dash, found.marker.symbol) for found in figure.data}) == 2
    assert figure.layout.meta["note"] == "2 of 3 curves"
    with pytest.raises(NotOnRecord, match="no trial 99 in study 'demo'; there are 1 to 13"):
        plots.learning_curves(judged, trials=(7, 99))
    nothing = plots.learning_curves(judged, trials=(12,))
    assert nothing.layout.annotations[0].text == "there are no measurements of these trials"


def test_idle_time_leaves_out_what_lies_between_a_stop_and_a_resume(judged: StudyRecord) -> None:
    import dataclasses
    from datetime import UTC, datetime, timedelta

    import pandas as pd

    began = datetime(2026, 1, 1, tzinfo=UTC)
    moments = {1: (0, 60), 3: (60, 120), 4: (1000, 1060)}  # seconds; it was away from 120 to 1000
    trials = judged.trials[judged.trials["number"].isin(list(moments))].copy()
    for column, place in (("started_at", 0), ("finished_at", 1)):
        times = [began + timedelta(seconds=moments[int(n)][place]) for n in trials["number"]]
        trials[column] = pd.to_datetime(pd.Series(times, index=trials.index))
    trials["slot"] = ["a", "b", "a"]
    resumed = pd.DataFrame([{"kind": "resumed", "at": pd.Timestamp(began + timedelta(seconds=999))}])
    used = uses(dataclasses.replace(judged, trials=trials, events=resumed))
    assert [(use.slot, use.busy_seconds, use.idle_seconds) for use in used] == [
        ("a", 120, 60),
        ("b", 60, 120),
    ]
    assert used[0].idle == pytest.approx(1 / 3)


def test_two_studies_are_told_apart_in_one_plot(judged: StudyRecord, record: str) -> None:
    other = study_record.read_study(record, "nas-demo")
    figure = plots.fronts([judged, other])
    assert [found.name for found in figure.data] == ["demo", "nas-demo"]
    assert len({found.line.color for found in figure.data}) == 2
    assert len({found.marker.symbol for found in figure.data}) == 2
    assert len(plots.paths([judged, other]).data) == 2


def test_studies_that_search_for_different_things_have_no_common_path(record: str) -> None:
    both = [study_record.read_study(record, name) for name in ("nas-demo", "hpo-demo")]
    assert "have different objectives" in plots.paths(both).layout.annotations[0].text


def test_the_path_of_a_search_for_accuracy_rises(record: str) -> None:
    figure = plots.incumbent(study_record.read_study(record, "hpo-demo"))
    assert list(trace(figure, "best single training").y) == pytest.approx([90.0, 92.0, 92.0])
    assert figure.layout.yaxis.title.text == "accuracy (%)"


def test_the_best_so_far_of_a_search_for_accuracy_never_falls_and_its_repeats_are_marks(
    store: Store, db: str
) -> None:
    study = open_study(store, kind="hpo")
    for number, accuracy in enumerate((0.90, 0.95, 0.91), 1):
        complete(store, study, number, 5_000_000, accuracy)
    for number, of, replicate, accuracy in (
        (4, 1, 1, 0.90),
        (5, 2, 1, 0.88),
        (6, 3, 1, 0.93),
        (7, 1, 2, 0.92),
    ):
        more: dict[str, Any] = {"purpose": "confirmation", "of_trial_number": of, "replicate": replicate}
        complete(store, study, number, 5_000_000, accuracy, **more)
    known = study_record.read_study(db, "demo")
    assert known.study["best_trial"] == 1
    figure = plots.incumbent(known)
    assert list(trace(figure, "best single training").y) == pytest.approx([90, 95, 95])
    assert {found.name for found in figure.data if found.mode == "lines+markers"} == {"best single training"}
    others, best = trace(figure, "mean of repeats"), trace(figure, "the best by its mean of repeats")
    assert [*others.x, *others.y] == pytest.approx([5, 6, 88, 93])
    assert [*best.x, *best.y] == pytest.approx([7, 100 * known.study["best_mean_accuracy"]])
    assert "mean of 2 repeats: 91.00% [" in best.text[0]
    assert best.error_y.array[0] > 0
    assert [found.name for found in plots.paths([known]).data] == ["demo", "demo, mean of repeats"]
    table = next(plot for plot in of_study(known) if plot.name == "path-trainings").numbers
    assert table is not None
    assert "trial 1, 91.00% [" in str(list(table.columns[3].cells)[-1])


def test_a_path_that_nothing_is_on_says_so(store: Store, db: str) -> None:
    study = open_study(store, kind="hpo")
    lost = store.start_trial(study.id, 1, purpose="search", config=config(0.4))
    store.finish_trial(lost.id, "failed", reason="crashed")
    known = study_record.read_study(db, "demo")
    for figure in (plots.incumbent(known), plots.incumbent(known, over="hours"), plots.paths([known])):
        assert not figure.data
        assert figure.layout.annotations[0].text


def test_nothing_passes_before_the_bound_is_known(store: Store, db: str) -> None:
    study = open_study(store)
    complete(store, study, 1, 3_000_000, 0.9)
    known = study_record.read_study(db, "demo")
    assert known.study["best_trial"] is None
    assert all(step.provisional is None for step in steps(known))
