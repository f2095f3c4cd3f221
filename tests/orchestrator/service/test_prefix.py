"""The service below a path of another site's, behind proxies that remove the path and that keep it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from orchestrator.service import auth, cli
from orchestrator.service.settings import Settings
from orchestrator.spec.command_options import BadOption
from tests.orchestrator import _studies
from tests.orchestrator._browsing import browser, comes, complaints, found, needs_chromium, press
from tests.orchestrator._serving import ASKED, post, serving
from tests.orchestrator.service._proxy import PREFIX, proxying

# a proxy that removes the path needs no option; with it the OpenAPI description names the path
PROXIES = pytest.mark.parametrize(
    ("strips", "root_path"),
    [(True, ""), (True, PREFIX), (False, PREFIX)],
    ids=["removed", "removed, told", "kept"],
)


@PROXIES
def test_page_api_and_stream_work_below_a_path(tmp_path: Path, strips: bool, root_path: str) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    with (
        serving(tmp_path, root_path=root_path) as service,
        proxying(service.base_url, strips=strips) as client,
    ):
        page = client.get("")
        linked = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert len(linked) >= 5
        for address in (*linked, "static/plotly.js", "static/study.js"):
            assert client.get(page.url.join(address)).status_code == 200, address
        assert [row["name"] for row in client.get("api/studies").json()] == ["s"]
        with client.stream("GET", "api/studies/s/stream") as stream:
            assert next(stream.iter_text()).startswith("event: study\n")
        own = {"origin": f"http://{client.base_url.netloc.decode()}"}
        assert client.post("api/plan", json={**ASKED, "study": "t"}, headers=own).json()["study"] == "t"
        servers = client.get("api/openapi.json").json().get("servers", [])
        assert servers == ([{"url": PREFIX}] if root_path else [])
    with serving(tmp_path, root_path=root_path) as service:
        assert service.get("/api/studies").status_code == 200, "without the proxy, as before"


@PROXIES
def test_the_guards_hold_below_a_path(tmp_path: Path, strips: bool, root_path: str) -> None:
    token = auth.make(tmp_path / "token")
    with (
        serving(tmp_path, root_path=root_path) as service,
        proxying(service.base_url, strips=strips) as client,
    ):
        _refuses_other_sites(client)
    with serving(
        tmp_path, root_path=root_path, token_hash=auth.read(tmp_path / "token"), leaving=True
    ) as service:
        with proxying(service.base_url, strips=strips) as client:
            assert client.get("").status_code == 200
            assert client.get("api/studies").status_code == 401
            right = {"authorization": f"Bearer {token}"}
            assert client.get("api/studies", headers=right).status_code == 200
        for path in ("/api/studies", f"{PREFIX}/api/studies", f"{PREFIX}{PREFIX}/api/studies"):
            assert service.get(path).status_code in (401, 404), path


def _refuses_other_sites(client: httpx.Client) -> None:
    assert client.get("api/studies", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("api/studies", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("api/studies", headers={"host": "evil.example"}).status_code == 421
    assert client.post("api/studies", content="{}", headers={"content-type": "text/plain"}).status_code == 415


def test_the_path_without_its_last_slash_leads_to_the_page(tmp_path: Path) -> None:
    with serving(tmp_path, root_path=PREFIX) as service, proxying(service.base_url, strips=False) as client:
        answer = client.get(client.base_url.copy_with(path=PREFIX))
        assert (answer.status_code, answer.headers["location"]) == (308, f"{PREFIX}/")


@pytest.mark.parametrize("path", ["nas", "/a b", "/../x?", "//evil.example", "http://x/nas"])
def test_a_root_path_is_a_path(path: str) -> None:
    with pytest.raises(BadOption, match="is not a path; give one like /nas"):
        cli._parse_root_path(path)


@pytest.mark.parametrize(("path", "kept"), [("", ""), ("/", ""), ("/nas/", "/nas"), ("/a/b-c", "/a/b-c")])
def test_a_root_path_has_no_last_slash(path: str, kept: str) -> None:
    assert cli._parse_root_path(path) == kept
    assert Settings(runs=Path("/r"), database="d").root_path == ""


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("strips", [True, False], ids=["removed", "kept"])
def test_the_page_works_below_a_path_in_a_browser(tmp_path: Path, strips: bool) -> None:
    with (
        serving(tmp_path, root_path="" if strips else PREFIX) as service,
        proxying(service.base_url, strips=strips) as client,
        browser() as page,
    ):
        page.get(str(client.base_url))
        assert comes(page, lambda text: "There are no studies yet" in text)
        post(client, "api/studies", **ASKED).raise_for_status()
        press(page, "s")
        found(page, "tr[data-trial='6']")
        found(page, "[data-plot] summary").click()
        found(page, "[data-plot] .main-svg")
        assert page.current_url == f"{client.base_url}#/study/s"
        page.get(f"{client.base_url}api/docs")
        press(page, "POST /api/studies Queue a search")
        assert comes(page, lambda text: "Body: NasSearch" in text and "Body: HpoSearch" in text)
        assert f"'{client.base_url}api/studies'" in page.find_element("css selector", "[open] pre").text
        assert complaints(page) == []
