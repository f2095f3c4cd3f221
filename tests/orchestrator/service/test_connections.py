"""Many clients at once, some of which take nothing of what they asked for: the others are served."""

from __future__ import annotations

import ipaddress
import shlex
import socket
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from orchestrator.service import clients
from orchestrator.service.settings import Limits
from tests.orchestrator import _studies
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import serving

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
ELSEWHERE = "127.0.0.2"  # another address of this machine


def asking(client: httpx.Client, path: str, address: str = "127.0.0.1") -> socket.socket:
    """A client that asks, with little room for an answer, and reads nothing."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.settimeout(20)
    opened.bind((address, 0))
    opened.connect((client.base_url.host, client.base_url.port or 80))
    opened.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    return opened


def elsewhere(client: httpx.Client) -> httpx.Client:
    """A client at another address."""
    way = httpx.HTTPTransport(local_address=ELSEWHERE)
    return httpx.Client(base_url=client.base_url, timeout=20, transport=way, trust_env=False)


def rest(opened: socket.socket) -> int:
    """Read until the end, and return how many bytes came."""
    read = 0
    try:
        while piece := opened.recv(1 << 20):
            read += len(piece)
    except ConnectionResetError:
        pass
    return read


@pytest.mark.parametrize("limits", [Limits(connections_of_one=8), Limits(connections=8)], ids=str)
def test_clients_that_read_nothing_keep_nobody_out(tmp_path: Path, limits: Limits) -> None:
    with (
        serving(tmp_path, leaving=True, limits=limits) as client,
        elsewhere(client) as other,
        ExitStack() as held,
    ):
        for _ in range(20):
            held.enter_context(asking(client, "/static/plotly.js"))
        # until the last of them is seen to read nothing, it is at work
        assert eventually(lambda: client.get("/").status_code == 200)
        assert eventually(lambda: other.get("/").status_code == 200)


def test_a_client_that_takes_nothing_for_a_while_is_hung_up_on(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(send_seconds=0.3)) as client:
        whole = int(client.head("/static/plotly.js").headers["content-length"])
        with asking(client, "/static/plotly.js") as idle:
            time.sleep(1)
            assert 0 < rest(idle) < whole
        assert len(client.get("/static/plotly.js").content) == whole


def test_a_slow_request_is_ended_for_another_of_the_same_address(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(connections_of_one=3)) as client, ExitStack() as held:
        where = (client.base_url.host, client.base_url.port or 80)
        for begun in (b"", b"GET / HT", b"POST /api/plan HTTP/1.1\r\nhost: localhost\r\n") * 3:
            held.enter_context(socket.create_connection(where)).sendall(begun)
        assert eventually(lambda: client.get("/").status_code == 200)


def test_one_client_has_no_more_streams_than_leave_some_to_others(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    path, limits = "/api/studies/s/stream", Limits(streams=3, streams_of_one=2, connections_of_one=4)
    with serving(tmp_path, leaving=True, limits=limits) as client, elsewhere(client) as other:
        with client.stream("GET", path), client.stream("GET", path):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["detail"]) == (
                429,
                "too many pages are watching; close some",
            )
            assert client.get("/api/studies").status_code == 200
            with other.stream("GET", path) as watched:
                assert watched.status_code == 200
                assert other.get(path).status_code == 429
        assert eventually(lambda: _opens(client, path), 10), "a stream that is closed counts no more"


def _opens(client: httpx.Client, path: str) -> bool:
    with client.stream("GET", path) as opened:
        return opened.status_code == 200


def test_connections_that_are_all_at_work_let_no_more_of_their_address_in(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    limits = Limits(connections_of_one=2)
    with (
        serving(tmp_path, leaving=True, limits=limits) as client,
        elsewhere(client) as other,
        ExitStack() as held,
    ):
        for _ in range(2):
            held.enter_context(client.stream("GET", "/api/studies/s/stream"))
        refused = client.get("/")
        assert refused.status_code == 503
        assert refused.json()["detail"] == "too many connections; close some"
        assert "content-security-policy" in refused.headers
        assert other.get("/").status_code == 200


def test_an_answer_in_pieces_is_the_answer(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(piece_bytes=100)) as client:
        pieces = {path: client.get(path).content for path in ("/", "/static/style.css", "/api/openapi.json")}
    with serving(tmp_path, leaving=True) as client:
        for path, content in pieces.items():
            assert client.get(path).content == content


def test_requests_that_wait_for_another_keep_nobody_from_anything_else(tmp_path: Path) -> None:
    """One trainer is asked for its networks at a time, and this one gives no answer until it may."""
    go = tmp_path / "go"
    trainer = shlex.join(["sh", "-c", f"while [ ! -e {go} ]; do sleep .05; done"])
    with serving(tmp_path / "runs", trainer=trainer) as client, ThreadPoolExecutor(50) as threads:
        try:
            asked = [threads.submit(client.get, "/api/choices") for _ in range(50)]
            done, _ = wait(asked, timeout=20, return_when=FIRST_COMPLETED)
            assert {answer.result().status_code for answer in done} == {429}
            assert client.get("/api/studies").status_code == 200
            assert not all(answer.done() for answer in asked)
        finally:
            go.touch()


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[httpx.Client]:
    limits = Limits(per_second=0.1, burst=3)
    with serving(tmp_path, leaving=True, limits=limits, proxies=LOOPBACK) as client:
        yield client


def test_a_trusted_proxy_s_requests_count_for_those_it_asks_for(proxied: httpx.Client) -> None:
    def asked(forwarded: str) -> int:
        return proxied.get("/", headers={"x-forwarded-for": forwarded}).status_code

    assert [asked("10.0.0.1") for _ in range(4)] == [200, 200, 200, 429]
    assert asked("9.9.9.9, 10.0.0.1, 127.0.0.5") == 429, "what the client itself wrote changes nothing"
    assert asked("10.0.0.2") == 200
    assert [asked(f"2001:db8::{n}") for n in range(4)] == [200, 200, 200, 429], "one machine's network"
    assert asked("nonsense") == 400


def test_x_forwarded_for_of_anybody_else_is_not_believed(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True, limits=Limits(per_second=0.1, burst=3)) as client:
        told = [client.get("/", headers={"x-forwarded-for": f"10.0.0.{n}"}).status_code for n in range(4)]
    assert told == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("", "127.0.0.1"),
        ("10.0.0.1:4711", "10.0.0.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("1.2.3.4, ::ffff:10.0.0.1", "10.0.0.1"),
        ("127.0.0.3", "127.0.0.3"),
    ],
)
def test_the_last_address_that_is_no_proxy_s_asks(forwarded: str, address: str) -> None:
    assert clients.find_address("127.0.0.1", forwarded, LOOPBACK) == address
