"""A person at the page: a search started from the form, watched, stopped, resumed and deleted."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.service import auth
from results import study_record
from tests import inline
from tests.orchestrator import _studies
from tests.orchestrator._browsing import browser, comes, complaints, found, needs_chromium, press
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import serving
from tests.orchestrator._trained import STUDY, make_study
from tests.orchestrator.spec import test_energy

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_search_goes_from_the_form_to_its_end(tmp_path: Path) -> None:
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}")
        press(page, "New search")
        asked = {
            "base": "senet18",
            "data": "fake:sleep=1",
            "budget": "10steps",
            "trials": "5",
            "study": "mine",
        }
        for name, text in asked.items():
            found(page, f"#field-{name}").send_keys(text)
        press(page, "All options")
        found(page, "#field-ingredient").send_keys('sam={"rho": 0.1, "adaptive": true}\nmixup=null')
        for name, text in {"confirm": "0", "slots": "1", "device": "cpu", "replicates": "1"}.items():
            found(page, f"#field-{name}").send_keys(text)
        for name, option in client.get("/api/choices").json()["options"]["nas"].items():
            offered = page.find_elements("css selector", f"#list-{name} option, #field-{name} option")
            values = [one.get_attribute("value") for one in offered]
            assert name == "base" or [value for value in values if value] == option["choices"]
        press(page, "Show the plan")
        assert "cost: 5 times 10 steps, 1 at a time" in found(page, "[aria-label=Plan]").text
        press(page, "Start the search")
        found(page, "tr[data-trial='2']")
        kept = client.get("/api/studies/mine").json()["options"]
        assert kept["ingredient"] == ['sam={"rho": 0.1, "adaptive": true}', "mixup=null"]
        found(page, "svg.plot circle")
        press(page, "Stop")
        assert comes(page, lambda text: "stopped by the user" in text)
        press(page, "Resume")
        assert comes(page, lambda text: "finished" in text)
        found(page, "tr[data-trial='1'] a").click()
        found(page, "[aria-label='Learning curve'] svg.plot path")
        assert found(page, "[aria-label='Log']").text.startswith("Log")
        assert complaints(page) == []
        page.back()
        press(page, "Delete …")
        found(page, "#delete input").send_keys("mine")
        press(page, "Delete it")
        assert comes(page, lambda text: "There are no studies yet" in text)


def has_text(page: Any, name: str, words: str) -> bool:
    return words in page.find_element("id", name).text


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_wrong_is_told_at_its_field_and_a_search_is_asked_for_again_with_changes(
    tmp_path: Path,
) -> None:
    ingredients = ["mixup=null", 'sam={"rho": 0.1}']
    _studies.run(tmp_path, trials=3, replicates=2, precision="fp32", ingredient=ingredients)
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        press(page, "Search again with changes")
        fields = {"base": "senet18", "study": "s-2", "trials": "3", "precision": "fp32", "replicates": "2"}
        found(page, "#field-study")
        for name, value in fields.items():
            assert page.find_element("id", f"field-{name}").get_attribute("value") == value
        assert page.find_element("id", "field-ingredient").get_attribute("value") == "\n".join(ingredients)
        trials = page.find_element("id", "field-trials")
        for text, words in (("0", "greater than or equal to 1"), ("2", "--trials 2 leaves no training")):
            trials.clear()
            trials.send_keys(text)
            press(page, "Show the plan")
            assert eventually(partial(has_text, page, "wrong-trials", words), 60)
            assert page.switch_to.active_element.get_attribute("id") == "field-trials"
            assert trials.get_attribute("aria-invalid") == "true"
        trials.clear()
        trials.send_keys("4")
        assert page.find_element("id", "wrong-trials").text == ""
        press(page, "Show the plan")
        assert "cost: 4 times" in found(page, "[aria-label=Plan] pre").text
        press(page, "Start the search")
        assert comes(page, lambda text: text.startswith("s-2"))
        told = [client.get(f"/api/studies/{name}").json()["options"] for name in ("s", "s-2")]
        assert told[1] == {**told[0], "trials": 4, "study": "s-2"}
        assert complaints(page) == []


@pytest.mark.parametrize(
    ("asked", "words", "plotted", "ringed"),
    [
        (
            {"kind": "hpo", "trials": 32, "data": "fake:noise=.02"},
            r"trial \d+: \d+.\d\d M MACs, \d\d.\d\d% \(mean of 3\)",
            "Accuracy of each trial",
            0,
        ),
        (
            {"minimise": "params", "trials": 12},
            r"trial \d+: \d+\.\d{3} M parameters, \d\d.\d\d%",
            "Accuracy over M parameters",
            0,
        ),
        (
            {"minimise": "macs", "maximise": "accuracy", "trials": 16},
            r"Pareto front\ntrials \d+(, \d+)*",
            "Accuracy over M MACs",
            1,
        ),
    ],
    ids=["accuracy", "params", "front"],
)
def test_the_best_is_what_was_searched_for(
    tmp_path: Path, asked: dict[str, Any], words: str, plotted: str, ringed: int
) -> None:
    _studies.run(tmp_path, **{"confirm": 6, **asked})
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        assert comes(page, lambda text: re.search(words, text) is not None)
        found(page, "tr.best")  # the trials come after the study
        assert found(page, "[aria-label='Accuracy of the trials'] h2").text == plotted
        assert (len(page.find_elements("css selector", "circle.front")) > 0) == bool(ringed)
        assert complaints(page) == []


@pytest.mark.parametrize(
    ("asked", "head", "digits"),
    [({"minimise": "params"}, "M parameters", 3), ({"minimise": "energy"}, "J of energy", 1)],
    ids=["params", "energy"],
)
def test_every_trial_shows_what_is_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], head: str, digits: int
) -> None:
    monkeypatch.setattr(inline, "create", lambda *_, **__: test_energy.Metered())
    _studies.run(tmp_path, trials=4, device="cuda", **asked)
    with serving(tmp_path) as client, browser() as page:
        study = client.get("/api/studies/s").json()
        metric = study["metric"]
        page.get(f"{client.base_url}/#/study/s")
        found(page, "tr[data-trial='1']")
        heads = [th.text for th in page.find_elements("css selector", "[aria-label=Trials] thead th")]
        for row in client.get("/api/studies/s/trials").json():
            [line] = page.find_elements("css selector", f"tr[data-trial='{row['number']}']")
            cells = [cell.text for cell in line.find_elements("css selector", "th, td")]
            amount = row[metric["column"]]
            shown = "" if amount is None else f"{amount / metric['scale']:.{digits}f}"
            assert dict(zip(heads, cells, strict=True))[head] == shown
        found(page, "tr[data-trial='1'] a").click()
        assert comes(page, lambda text: re.search(rf"{head}\n\d+\.\d{{{digits}}}\n", text) is not None)
        assert complaints(page) == []


def test_the_runs_of_an_evaluation_show_their_accuracies_on_test_images(tmp_path: Path) -> None:
    asked = (
        "--model",
        "senet18",
        "--model",
        "resnet18",
        "--runs",
        "2",
        "--study",
        "s",
        "--budget",
        "10steps",
    )
    words = _studies.command(tmp_path, *asked, "--data", "fake", program="nas_evaluate")
    assert subprocess.run(words, capture_output=True, timeout=60).returncode == 0
    [row, *_] = _studies.trials(tmp_path)
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        shown = f"{row.test_accuracy:.2%}"
        assert comes(page, lambda text: shown in text and "test accuracy" in text)
        assert len(page.find_elements("css selector", "svg.plot circle")) == 4
        assert "none yet" not in found(page, "main").text
        assert complaints(page) == []


def test_another_score_is_shown_in_the_accuracy_s_place_and_a_trial_s_worst_classes(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=4, metric="balanced_accuracy", data="fake:balanced=.05")
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        bound = client.get("/api/studies/s").json()["min_accuracy"]
        assert comes(page, lambda text: f"Required balanced accuracy\n{100 * bound:.2f}%" in text)
        first = client.get("/api/studies/s/trials").json()[0]
        assert first["score"] < first["val_accuracy"]
        cells = [cell.text for cell in found(page, "tr[data-trial='1']").find_elements("css selector", "td")]
        assert f"{100 * first['score']:.2f}%" in cells
        found(page, "tr[data-trial='1'] a").click()
        assert comes(page, lambda text: f"Accuracy\n{100 * first['val_accuracy']:.2f}%" in text)
        assert comes(page, lambda text: "The worst 9 of 10 classes" in text)
        classes = [row.text.split() for row in page.find_elements("css selector", "main tbody tr")][:9]
        assert [name for name, _ in classes] == list("abcdefghi")
        assert complaints(page) == []


def test_what_is_on_record_is_shown_as_text_and_never_run(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    (log,) = tmp_path.glob("s/*1/log.txt")
    log.write_text("<img src=x onerror=document.title='run'>")
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/trial/s/1")
        assert comes(page, lambda text: "onerror=document.title" in text)
        assert page.title != "run"
        assert complaints(page) == []


def test_the_page_asks_for_the_token_and_keeps_it(tmp_path: Path) -> None:
    made = auth.make(tmp_path / "token")
    hashed = auth.read(tmp_path / "token")
    _studies.run(tmp_path, trials=3, replicates=1)
    with serving(tmp_path, token_hash=hashed, leaving=True) as client, browser(390, 844) as page:
        page.get(f"{client.base_url}")
        found(page, "#token input").send_keys(made)
        press(page, "Use it")
        press(page, "s")
        found(page, "tr[data-trial='1']")
        wide = page.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "a phone has to be scrolled sideways"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_plot_of_the_report_is_drawn_on_the_page_and_again_as_the_study_goes_on(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=18)  # enough for the importance of three parameters
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        found(page, "[data-plot]")
        for opened in page.find_elements("css selector", "[data-plot]"):
            opened.find_element("css selector", "summary").click()
            plot = opened.get_attribute("data-plot")
            found(page, f"[data-plot='{plot}'] .main-svg")
        shown = page.find_element("css selector", "[data-plot=timeline]")
        before = len(shown.find_elements("css selector", ".point"))
        _studies.run(tmp_path, trials=22)
        assert eventually(lambda: len(shown.find_elements("css selector", ".point")) > before, 60)
        page.find_element("id", "theme").click()
        assert complaints(page) == []


def traces(page: Any, selector: str) -> list[dict[str, Any]]:
    """What plotly has drawn in an element."""
    told = "document.querySelector(arguments[0]).data.map(({ name, x, y }) => ({ name, x, y }))"
    drawn: list[dict[str, Any]] = page.execute_script(f"return {told}", selector)
    return drawn


@pytest.mark.parametrize(
    "asked", [{}, {"kind": "hpo", "trials": 32, "data": "fake:noise=.02"}], ids=["nas", "hpo"]
)
def test_the_best_so_far_on_the_page_is_the_report_s(tmp_path: Path, asked: dict[str, Any]) -> None:
    _studies.run(tmp_path, **{"trials": 18, "confirm": 6, **asked})
    with serving(tmp_path) as client, browser() as page:
        page.get(f"{client.base_url}/#/study/s")
        found(page, "[aria-label='Best so far'] .main-svg")
        drawn = traces(page, "[aria-label='Best so far'] .drawn")
        html = client.get("/api/studies/s/report").text
        [figures] = re.findall(
            r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL
        )
        report = json.loads(figures)["figures"]["path-trainings"]["data"]
        assert [{key: trace.get(key) for key in ("name", "x", "y")} for trace in report] == drawn
        assert len(drawn) > 1
        assert complaints(page) == []


def test_curves_of_chosen_trials_are_shown_together(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=6)
    with serving(tmp_path) as client, browser(390, 844) as page:
        page.get(f"{client.base_url}/#/study/s")
        box = "document.querySelector(`[aria-label='Choose trial ${arguments[0]}']`)"
        for number in (1, 4):
            found(page, f"[aria-label='Choose trial {number}']")
            page.execute_script(f"{box}.click()", number)  # at once: the table is drawn anew meanwhile
        press(page, "Curves of 2 trials")
        found(page, "[data-plot='curves-progress'] .main-svg")
        names = [trace["name"] for trace in traces(page, "[data-plot='curves-progress'] .drawn")]
        rows = {row["number"]: row for row in study_record.read_study(tmp_path / "results.db", "s").rows}
        assert names == [f"trial {number}: {rows[number]['label']}" for number in (1, 4)]
        assert page.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
        page.back()
        found(page, "[aria-label='Choose trial 4']")
        ticked = [page.execute_script(f"return {box}.checked", number) for number in (1, 2, 4)]
        assert ticked == [True, False, True]
        assert complaints(page) == []


@pytest.mark.parametrize("has_token", [False, True])
def test_the_weights_of_the_network_found_are_saved_from_the_page(tmp_path: Path, has_token: bool) -> None:
    runs, kept = make_study(tmp_path, is_trained=False), tmp_path / "downloads"
    (runs / STUDY / "00004" / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    token = auth.make(tmp_path / "token")
    hashed = auth.read(tmp_path / "token") if has_token else None
    with serving(runs, token_hash=hashed, leaving=True) as client, browser() as page:
        page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(kept)})
        page.get(f"{client.base_url}/#/study/{STUDY}")
        if has_token:
            found(page, "#token input").send_keys(token)
            press(page, "Use it")
        text = found(page, "[aria-label=Networks] table").text
        assert "Layers 3 1" in text
        assert "Accuracy 87.00% [85.00, 89.00] (2 trainings) 90.00%" in text
        assert "Latency on cpu, batch 1 4.50 ms 9.00 ms" in text
        for name, whose in (
            (f"{STUDY}-trial-4.zip", "network found"),
            (f"{STUDY}-trial-1.zip", "base network"),
        ):
            found(page, f"[aria-label^='{name} of the {whose}']").click()
            assert eventually((kept / name).is_file, 60)
        with zipfile.ZipFile(kept / f"{STUDY}-trial-4.zip") as saved:
            assert saved.read(f"{STUDY}-trial-4/model.safetensors") == bytes(range(256)) * 1000
        assert complaints(page) == []
