"""Studies side by side, a study's report, its output and its workers, over HTTP and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.service import auth
from results import report, study_record
from tests.orchestrator import _studies
from tests.orchestrator._browsing import browser, comes, complaints, found, needs_chromium, press
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import ASKED, post, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compared")
    _studies.run(made, study="one", trials=5, replicates=2)
    _studies.run(made, study="two", trials=6, replicates=2, seed=3)
    _studies.run(made, study="three", kind="hpo", trials=5)
    return made


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with serving(folder) as serves:
        yield serves


def test_studies_are_compared_by_results_settings_and_networks(client: httpx.Client) -> None:
    told = client.get("/api/compare", params={"study": ["one", "two", "three"]}).json()
    assert told["studies"] == ["one", "two", "three"]
    assert ["trainings spent", "5 of 5", "6 of 6", "5 of 5"] in told["results"]
    assert ["kind", "nas", "nas", "hpo"] in told["results"]
    assert ["training.seed", "0", "3", "0"] in told["settings"]
    assert {trace["name"] for trace in told["networks"]["data"]} == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("names", "status"),
    [(["one"], 422), (["one", "nosuch"], 404), (["one", "../x"], 422), ([f"s{i}" for i in range(7)], 422)],
    ids=str,
)
def test_a_comparison_takes_two_to_six_studies_that_there_are(
    client: httpx.Client, names: list[str], status: int
) -> None:
    assert client.get("/api/compare", params={"study": names}).status_code == status


def test_the_report_is_the_command_s(client: httpx.Client, folder: Path) -> None:
    answer = client.get("/api/studies/one/report")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''one.html"
    written, _ = report.page(study_record.read_study(str(folder / "results.db"), "one"))
    made = "UTC"  # the minute in which each was made may differ
    assert answer.text.partition(made)[2] == written.partition(made)[2]
    assert client.get("/api/studies/nosuch/report").status_code == 404


def test_output_is_kept_of_a_search_that_the_service_started(client: httpx.Client) -> None:
    assert client.get("/api/studies/one/log").json()["kept"] is False
    post(client, "/api/studies", **{**ASKED, "study": "mine"}).raise_for_status()
    assert eventually(lambda: "trial 1 starts" in client.get("/api/studies/mine/log").json()["text"], 60)
    assert client.get("/api/studies/mine/log").json()["kept"] is True


@pytest.mark.slow
@needs_chromium
def test_studies_are_chosen_and_compared_on_the_page(client: httpx.Client) -> None:
    with browser() as page:
        page.get(str(client.base_url))
        for name in ("one", "three"):
            found(page, f"[aria-label='Compare {name}']").click()
        press(page, "Compare 2")
        found(page, "[aria-label=Networks] .main-svg")
        assert comes(page, lambda text: "kind nas hpo" in text)
        page.find_element("id", "theme").click()
        press(page, "one")
        press(page, "Output of the search")
        assert comes(page, lambda text: "started in a terminal" in text)
        press(page, "Save the report")
        best = client.get("/api/studies/one").json()["best"]["trial"]
        press(page, f"trial {best}")
        assert comes(page, lambda text: f"Trial {best}\n" in text)
        assert complaints(page) == []


@pytest.mark.slow
@needs_chromium
def test_the_report_is_saved_with_the_token_and_workers_are_shown_as_they_train(tmp_path: Path) -> None:
    token, kept = auth.make(tmp_path / "token"), tmp_path / "downloads"
    with (
        serving(tmp_path, token_hash=auth.read(tmp_path / "token"), leaving=True) as client,
        browser() as page,
    ):
        page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(kept)})
        client.headers["authorization"] = f"Bearer {token}"
        post(client, "/api/studies", **{**ASKED, "data": "fake:sleep=3", "slots": 2}).raise_for_status()
        page.get(f"{client.base_url}/#/study/s")
        found(page, "#token input").send_keys(token)
        press(page, "Use it")
        workers = found(page, "[aria-label=Workers]")
        assert eventually(lambda: "2 workers train" in workers.text, 60)
        bar = "[aria-label=Workers] progress"
        assert eventually(lambda: found(page, bar).get_property("value") not in (0, 1), 60)
        press(page, "Save the report")
        assert eventually(lambda: (kept / "s.html").is_file(), 60)
        assert "<title>s" in (kept / "s.html").read_text()
        post(client, "/api/studies/s/stop").raise_for_status()
        assert eventually(lambda: not workers.is_displayed(), 60)
        assert complaints(page) == []
