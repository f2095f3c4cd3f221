"""The list of studies: what each has found, and the order in which a person wants to see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from orchestrator.service.queries import RecordQueries
from tests.orchestrator import _studies
from tests.orchestrator._browsing import browser, comes, complaints, found, needs_chromium, press
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import ASKED, post, serving


def test_the_list_has_the_best_of_each_study_and_has_it_anew_when_it_changes(tmp_path: Path) -> None:
    database = str(tmp_path / "results.db")
    _studies.run(tmp_path, study="small", trials=3, replicates=2, confirm=4)
    _studies.run(tmp_path, study="both", minimise="macs", maximise="accuracy", trials=8)
    record = RecordQueries(database)
    both, small = record.studies()
    assert small["best"] == (record.study("small") or {})["best"]
    assert both["best"] is None
    assert both["front"] == (record.study("both") or {})["front"] != []
    _studies.run(tmp_path, study="small", trials=16, replicates=2, confirm=4)
    now = next(row for row in record.studies() if row["name"] == "small")
    assert now["best"] == (record.study("small") or {})["best"]
    assert now["best"] != small["best"]
    record.close()


def names(page: Any) -> list[str]:
    return [link.text for link in page.find_elements("css selector", "main tbody th a")]


@pytest.mark.slow
@needs_chromium
def test_studies_are_filtered_and_sorted_by_keyboard_at_any_width(tmp_path: Path) -> None:
    _studies.run(tmp_path, study="qa", trials=4, replicates=2)
    _studies.run(tmp_path, study="qb", kind="hpo", trials=8)
    _studies.run(tmp_path, study="qc", trials=3, replicates=2)
    with serving(tmp_path) as client, browser(390, 844) as page:
        page.get(str(client.base_url))
        found(page, "main tbody a")
        assert names(page) == ["qc", "qb", "qa"]
        press(page, "Study")
        assert names(page) == ["qa", "qb", "qc"]
        head = page.switch_to.active_element
        assert head.text == "Study", "a button that is pressed keeps the focus"
        head.send_keys(Keys.ENTER)
        assert eventually(lambda: names(page) == ["qc", "qb", "qa"], 10)
        assert found(page, "th[aria-sort]").get_attribute("aria-sort") == "descending"
        press(page, "Trainings")
        assert names(page) == ["qc", "qa", "qb"]
        best = client.get("/api/studies/qb").json()["best"]
        assert comes(page, lambda text: f"{100 * best['mean_accuracy']:.2f}%" in text)
        assert found(page, "progress[aria-label='Trainings of qb']").get_attribute("value") == "8"
        _, _, kind = page.find_elements("css selector", ".filters label > *")
        Select(kind).select_by_value("hpo")
        assert eventually(lambda: names(page) == ["qb"], 10)
        assert found(page, "caption").text == "1 of 3 studies"
        Select(kind).select_by_value("")
        found(page, "input[type=search]").send_keys("QC")
        assert eventually(lambda: names(page) == ["qc"], 10)
        press(page, "qc")
        found(page, "tr[data-trial='1']")
        page.back()
        found(page, "main tbody a")
        assert names(page) == ["qc"], "the filter is kept"
        post(client, "/api/studies", **{**ASKED, "study": "qcc"}).raise_for_status()
        assert eventually(lambda: names(page) == ["qc", "qcc"] or names(page) == ["qcc", "qc"], 60)
        wide = page.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "a phone has to be scrolled sideways"
        assert complaints(page) == []
