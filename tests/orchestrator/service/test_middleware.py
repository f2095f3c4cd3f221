"""What the service refuses: strangers, other sites' pages, too much, too slow, files elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator.service import app, auth, cli, schemas
from orchestrator.service.files import Elsewhere, resolve_inside
from orchestrator.service.settings import Limits, Settings
from orchestrator.spec.command_options import BadOption
from results.db.store import Store
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


def raw(client: httpx.Client, sent: bytes) -> tuple[int, bytes]:
    """Send this as it stands, and return the status and the whole answer."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as opened:
        opened.sendall(sent)
        answer = b""
        while piece := opened.recv(65536):
            answer += piece
    return int(answer.split()[1]), answer


@pytest.mark.parametrize(
    "header",
    [
        *(b"origin: http://[::1", b"origin: //", b"origin: http://a b", b"origin: \xff", b"origin: null"),
        *(b"origin: http://localhost\r\norigin: http://localhost", b"x y: z", b"no colon"),
        *(b"referer: http://[::1", b"authorization: Bearer", b"authorization: \xff\xfe", b"range: bytes=9-1"),
        *(b"range: lines=1", b"range: bytes=a-b,c", b"range: bytes=99999999999-", b"range: bytes=-"),
        *(b"last-event-id: x", b"last-event-id: -1", b"last-event-id: 99999999999999999999"),
        *(b"content-length: x", b"content-length: -1", b"content-length: " + b"9" * 5000),
        *(b"content-length: 1\r\ncontent-length: 2", b"transfer-encoding: gzip", b"if-range: \xff"),
        *(b"if-modified-since: Mon, 99 Foo 99999999999", b"if-none-match: \xff", b"sec-fetch-site: \xff"),
        *(b"x-forwarded-for: \xff", b"content-type: \xff; charset=\xff", b"cookie: \xff", b"accept: \xff"),
    ],
    ids=lambda header: header[:40].decode("latin-1"),
)
@pytest.mark.parametrize(
    "path", [b"/", b"/static/app.js", b"/api/studies/nope/stream", b"/api/studies/s/plan/"]
)
def test_a_malformed_header_is_no_fault_of_the_service(
    client: httpx.Client, header: bytes, path: bytes
) -> None:
    host = b"host: localhost\r\nconnection: close\r\n"
    status, answer = raw(client, b"GET " + path + b" HTTP/1.1\r\n" + host + header + b"\r\n\r\n")
    assert status < 500
    assert b"content-security-policy" in answer.lower()


@pytest.mark.parametrize(
    "host", [b"host: [::1", b"host: a b", b"host: localhost:x", b"host: \xff", b"host: a\r\nhost: b", b"x: y"]
)
def test_a_malformed_host_is_refused(client: httpx.Client, host: bytes) -> None:
    for path in (b"/", b"/static", b"/api/studies/"):
        asked = b"GET " + path + b" HTTP/1.1\r\nconnection: close\r\n" + host + b"\r\n\r\n"
        status, answer = raw(client, asked)
        assert status == 400
        assert b"content-security-policy" in answer.lower()


@pytest.mark.parametrize("told", ["x", "-1", "1.5", "9" * 20])
def test_an_event_s_id_is_a_number(client: httpx.Client, told: str) -> None:
    answer = client.get("/api/studies/nope/stream", headers={"last-event-id": told})
    assert answer.status_code == 400
    assert "last-event-id is malformed" in answer.json()["detail"]


def test_two_lengths_of_a_body_are_refused(client: httpx.Client) -> None:
    """A proxy that believes the other one would see another request in the rest: request smuggling."""
    head = b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    both = b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    assert raw(client, head + both)[0] == 400


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
def test_a_client_that_is_too_slow_is_disconnected(client: httpx.Client, sent: bytes) -> None:
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
        resolve_inside(root, "out/file")
    assert resolve_inside(root, "a/../b") == (root / "b").resolve()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trainer": "rm -rf /"}, "trainer is not an option"),
        ({"db": "/tmp/x.db"}, "db is not an option"),
        ({"runs": "/tmp"}, "runs is not an option"),
        ({"executor": "inline"}, "executor is not an option"),
        ({"base": "/tmp/evil.py:build"}, "is not the name of a network or model"),
        ({"base": "evil.py:build"}, "is not the name of a network or model"),
        ({"base": "-x"}, "is not the name of a network or model"),
        ({"data": "npz:/etc/passwd"}, "started without --data-root"),
        ({"data": "folder:../.."}, "started without --data-root"),
        ({"study": "../s"}, "cannot be the name of a folder"),
        ({"study": "s" * 201}, "has 201 bytes, more than 200"),
        ({"trials": 0}, "--trials 0 is too few"),
        ({"max_macs": "1e400"}, "--max-macs: 1e400 is more than any network has"),
        ({"trials": "6"}, '--trials "6" is not a whole number; give one like 12'),
        ({"solver": "a\nb"}, "--solver takes at most 300 characters in one line"),
    ],
    ids=str,
)
def test_an_option_that_could_do_harm_is_refused(
    client: httpx.Client, asked: dict[str, object], words: str
) -> None:
    answer = post(client, "/api/studies", **{**ASKED, **asked})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/studies", {}, "kind is missing; give nas or hpo"),
        ("/api/studies", {"kind": "x"}, "kind is unknown; give nas or hpo"),
        ("/api/studies", {"kind": "nas"}, "base is missing; give it"),
        (
            "/api/studies",
            {"kind": "hpo", "base": "senet18"},
            "model is missing; give it; base is not an option",
        ),
        ("/api/studies", {"kind": "nas", "base": "senet18", "{0}": 1}, "{0} is not an option of this search"),
        ("/api/studies", [], "the body is not a JSON object; give one like {"),
        ("/api/studies/s/resume", [1], 'the body is not a JSON object; give one like {"trials": 200}'),
        ("/api/studies/s/resume", {"trials": "x"}, "--trials x is not a whole number; give one like 12"),
        ("/api/studies/s/resume", {"trials": 0}, "--trials 0 is too few; give at least 1"),
        ("/api/studies/s/resume", {"trials": [[1]]}, "--trials takes no lists in lists"),
        ("/api/studies/s/resume", {"force": "yes"}, "--force yes is neither true nor false"),
        ("/api/studies/s/resume", {"trails": 9}, "trails is not an option of this search"),
    ],
    ids=str,
)
def test_a_body_that_cannot_be_read_is_refused_in_our_words(
    client: httpx.Client, path: str, body: object, words: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(words)


def test_images_are_read_under_their_folder_alone(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "out").symlink_to(tmp_path)
    served = replace(settings(tmp_path), data_root=images)

    def data(name: str) -> object:
        return schemas.restrict_options("nas", "senet18", {"data": name}, served)["data"]

    assert data("npz:mine.npz") == f"npz:{images / 'mine.npz'}"
    assert data(f"folder:{images}/cats") == f"folder:{images / 'cats'}"
    assert data("torchvision:EMNIST-letters") == "torchvision:EMNIST-letters"
    assert data("csv:table.csv") == f"csv:{images / 'table.csv'}"
    outside = ("npz:../x.npz", "npz:out/x.npz", "folder:/etc", f"npz:{images}/../x", "csv:../t.csv")
    for bad in (*outside, "csv:/etc/passwd", "folder:out/photos.zip"):
        with pytest.raises(BadOption, match="outside the --data-root"):
            data(bad)
    for bad in ("fake:x", "torchvision:../x", "torchvision:a:b"):
        with pytest.raises(BadOption, match="not a data set that this service reads"):
            schemas.restrict_options("nas", "senet18", {"data": bad}, replace(served, trainer=None))


def test_without_the_token_nothing_of_the_record_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    made = auth.make(folder / "token")
    limits = Limits(wrong_tokens=3)
    with serving(folder, leaving=True, token_hash=auth.read(folder / "token"), limits=limits) as serves:
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


def test_the_right_token_is_let_in_whatever_its_address_sent_before(tmp_path: Path) -> None:
    made = auth.make(tmp_path / "token")
    right, wrong = ({"authorization": f"Bearer {shown}"} for shown in (made, "wrong"))
    limits = Limits(wrong_tokens=2, per_second=0.1, burst=5)
    with serving(tmp_path, leaving=True, token_hash=auth.read(tmp_path / "token"), limits=limits) as serves:
        statuses = [serves.get("/api/studies", headers=wrong).status_code for _ in range(9)]
        assert statuses == [401, 401, *[429] * 7]
        assert serves.get("/").status_code == 429, "all that the address may ask without the token is spent"
        assert serves.get("/api/studies", headers=right).status_code == 200


def test_a_client_that_asks_too_often_has_to_wait(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(per_second=0.5, burst=5)) as serves:
        statuses = [serves.get("/api/studies").status_code for _ in range(8)]
        assert statuses[:5] == [200] * 5
        assert 429 in statuses


def test_other_machines_are_not_served_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="create a token with nas-serve --new-token"):
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
    with pytest.raises(BadOption, match="processes the queue of"), app.open_service(beside):
        pass
