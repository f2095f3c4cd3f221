"""What the service refuses: strangers, other sites' pages, too much, too slow, files elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator.options import BadOption
from orchestrator.service import app, asking, cli, token
from orchestrator.service.files import Elsewhere, inside
from orchestrator.service.settings import Limits, Settings
from results.store import Store
from tests.orchestrator import _studies
from tests.orchestrator._serving import ASKED, post, serving, settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    _studies.run(made, trials=3, replicates=1)
    return made


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    limits = Limits(patience_seconds=0.5, per_second=1000, burst=5000)
    with serving(folder, limits=limits) as serves:
        yield serves


def test_a_page_of_another_site_gets_nothing(client: httpx.Client) -> None:
    asked = "/api/studies"
    assert client.get(asked, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get(asked, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get(asked, headers={"host": "evil.example"}).status_code == 421  # DNS rebinding
    assert client.get(asked, headers={"origin": str(client.base_url)}).status_code == 200
    assert "access-control-allow-origin" not in client.get(asked).headers


def test_what_a_form_of_another_site_could_send_is_refused(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post("/api/studies", content='{"kind": "nas"}', headers={"content-type": kind})
        assert answer.status_code == 415


def test_scripts_come_from_the_service_alone(client: httpx.Client) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert client.get("/static/app.js").headers["x-content-type-options"] == "nosniff"


def test_a_body_that_is_too_large_is_not_read(client: httpx.Client) -> None:
    said = {"content-type": "application/json"}
    assert client.post("/api/studies", content=b" " * 70_000, headers=said).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    assert client.post("/api/studies", content=endless(), headers=said).status_code == 413


@pytest.mark.parametrize(
    "sent", [b"GET / HT", b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{"]
)
def test_a_client_that_dawdles_is_hung_up_on(client: httpx.Client, sent: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as slow:
        slow.sendall(sent.replace(b"\r\n\r\n", b"\r\ncontent-type: application/json\r\n\r\n"))
        answer = slow.recv(1000)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/cli.py",
        "/api/studies/..%2f..%2fetc%2fpasswd",
        "/api/studies/%2e%2e/log",
        "/api/studies/s%00/log",
        "/api/studies/s/trials/..%2f1/log",
        "/.service/token",
    ],
)
def test_no_path_leads_out_of_the_folder(client: httpx.Client, path: str) -> None:
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80), timeout=20) as raw:  # httpx would tidy the path
        raw.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        status = raw.recv(1000).split()[1]
    assert status in (b"404", b"422", b"405")


def test_a_trial_whose_files_are_elsewhere_keeps_them_to_itself(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "log.txt").write_text("do not read")
    runs = tmp_path / "runs"
    _studies.run(runs, trials=3, replicates=1)
    (link,) = runs.glob("s/*1/log.txt")
    link.unlink()
    link.symlink_to(secret / "log.txt")
    with Store(runs / "results.db") as store:
        study = store.study("s")
        assert study is not None
        store.start_trial(study.id, 99, purpose="search", folder=str(secret))
    with serving(runs) as serves:
        for number in (1, 99):
            answer = serves.get(f"/api/studies/s/trials/{number}/log")
            assert answer.status_code == 404
            assert "outside the folder" in answer.json()["detail"]
        assert serves.get("/api/studies/s/trials/99/curve").status_code == 404


def test_a_link_is_followed_before_it_is_judged(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(Elsewhere):
        inside(root, "out/file")
    assert inside(root, "a/../b") == (root / "b").resolve()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trainer": "rm -rf /"}, "trainer: is no option"),
        ({"db": "/tmp/x.db"}, "db: is no option"),
        ({"runs": "/tmp"}, "runs: is no option"),
        ({"executor": "inline"}, "executor: is no option"),
        ({"base": "/tmp/evil.py:build"}, "is no network's or model's name"),
        ({"base": "evil.py:build"}, "is no network's or model's name"),
        ({"base": "-x"}, "is no network's or model's name"),
        ({"data": "npz:/etc/passwd"}, "started without --data-root"),
        ({"data": "folder:../.."}, "started without --data-root"),
        ({"study": "../s"}, "is no good for a folder"),
        ({"study": "s" * 200}, "is too long"),
        ({"trials": 0}, "--trials 0 allows no training"),
        ({"max_macs": "1e400"}, "--max-macs: 1e400 is more than any network has"),
        ({"trials": "6"}, "trials: input should be a valid integer"),
        ({"solver": "a\nb"}, "string should match"),
    ],
    ids=str,
)
def test_an_option_that_could_do_harm_is_refused(
    client: httpx.Client, asked: dict[str, object], words: str
) -> None:
    answer = post(client, "/api/studies", **{**ASKED, **asked})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_images_are_read_under_their_folder_alone(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "out").symlink_to(tmp_path)
    served = replace(settings(tmp_path), data_root=images)

    def data(name: str) -> object:
        return asking.allowed("nas", "senet18", {"data": name}, served)["data"]

    assert data("npz:mine.npz") == f"npz:{images / 'mine.npz'}"
    assert data(f"folder:{images}/cats") == f"folder:{images / 'cats'}"
    for bad in ("npz:../x.npz", "npz:out/x.npz", "folder:/etc", f"npz:{images}/../x"):
        with pytest.raises(BadOption, match="outside the folder of images"):
            data(bad)
    with pytest.raises(BadOption, match="no data set that this service reads"):
        asking.allowed("nas", "senet18", {"data": "fake:x"}, replace(served, trainer=None))


def test_without_the_token_nothing_of_the_record_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    made = token.make(folder / "token")
    limits = Limits(wrong_tokens=3)
    with serving(folder, leaving=True, token_hash=token.read(folder / "token"), limits=limits) as serves:
        assert serves.get("/").status_code == 200  # the page itself says nothing
        assert serves.get("/api/studies").status_code == 401
        assert serves.get("/api/openapi.json").status_code == 401
        right = {"authorization": f"Bearer {made}"}
        assert serves.get("/api/studies", headers=right).status_code == 200
        assert serves.get("/api/studies", headers=right | {"host": "gpu-box.example"}).status_code == 200
        wrong = [serves.get("/api/studies", headers={"authorization": f"Bearer {made}x"}) for _ in range(4)]
        assert [answer.status_code for answer in wrong] == [401, 401, 401, 429]
    assert made not in (folder / "token").read_text()
    assert (folder / "token").stat().st_mode & 0o077 == 0


def test_a_client_that_asks_too_often_has_to_wait(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(per_second=0.5, burst=5)) as serves:
        statuses = [serves.get("/api/studies").status_code for _ in range(8)]
        assert statuses[:5] == [200] * 5
        assert 429 in statuses


def test_other_machines_are_not_served_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="make a token with nas-serve --new-token"):
        cli.run(Settings(runs=tmp_path, database=str(tmp_path / "results.db"), host="0.0.0.0"))


def test_a_second_service_of_one_folder_does_not_start(client: httpx.Client, folder: Path) -> None:
    assert client.get("/api/studies").status_code == 200
    with pytest.raises(BadOption, match="another nas-serve serves"), serving(folder):
        pass


def test_a_second_service_of_one_record_does_not_start_from_another_folder(
    client: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    assert client.get("/api/studies").status_code == 200
    beside = settings(tmp_path, database=str(folder / "results.db"))
    with pytest.raises(BadOption, match="works off the queue of"), app.opened(beside):
        pass
