"""Everything that the OpenAPI says may be asked, and some that it says may not: no answer is a 5xx."""

from __future__ import annotations

import socket
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as trying
from hypothesis import strategies as st

from orchestrator.service.settings import Limits
from tests.orchestrator import _studies
from tests.orchestrator._serving import serving

OF_EACH = 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_request_is_answered_by_a_fault_of_the_service(tmp_path: Path) -> None:
    """Searches that happen to be valid are not to be run: none may wait in the queue."""
    import schemathesis  # seconds, which only this test is to pay

    _studies.run(tmp_path, trials=3, replicates=1)
    limits = Limits(per_second=10_000, burst=100_000, queued=0)
    statuses: Counter[int] = Counter()
    with serving(tmp_path, limits=limits, trainer="/bin/false") as client:
        schema = schemathesis.openapi.from_url(f"{client.base_url}/api/openapi.json")
        for operation in schema.get_all_operations():
            asked: Any = operation.ok()  # type: ignore[union-attr]
            if asked.path.endswith(("/stream", "/plan", "/choices")):
                continue  # without an end; a process each

            @seed(5)
            @given(case=asked.as_strategy())
            @trying(
                max_examples=OF_EACH,
                deadline=None,
                phases=[Phase.generate],
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                if "name" in case.path_parameters and len(str(case.path_parameters["name"])) % 2:
                    case.path_parameters["name"] = "s"
                answer = case.call()
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"

            ask()
    print(dict(sorted(statuses.items())))  # noqa: T201  (pytest -s shows it)
    assert {200, 422} <= set(statuses)


HEADERS = (
    *("host", "origin", "referer", "content-length", "transfer-encoding", "authorization", "last-event-id"),
    *("range", "if-range", "if-none-match", "if-modified-since", "content-type", "x-forwarded-for", "expect"),
    *("accept", "cookie", "connection", "upgrade", "sec-fetch-site"),
)
PARTS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"http://", b"[", b"::1", b"]", b":", b"localhost", b"bytes=", b"0-", b",", b"-1", b"9" * 40]
    ),
    st.sampled_from(
        [b"Bearer ", b"chunked", b"application/json", b"\xff", b"Mon, 30 Nov 2026 02:00:00 GMT", b"null"]
    ),
)
VALUES = st.lists(PARTS, max_size=5).map(
    lambda parts: b"".join(parts).replace(b"\n", b"").replace(b"\r", b"")
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/static", "/api/studies/", "/api/studies/s/stream?"]
)
def test_no_header_is_answered_by_a_fault_of_the_service(tmp_path: Path, path: str) -> None:
    limits = Limits(per_second=10_000, burst=100_000, patience_seconds=0.2)
    statuses: Counter[int] = Counter()
    with serving(tmp_path, limits=limits, proxies=(ip_network("127.0.0.0/8"),)) as client:
        where = (client.base_url.host, client.base_url.port or 80)

        @seed(5)
        @given(
            st.sampled_from(["GET", "POST"]),
            st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=3),
        )
        @trying(max_examples=300, deadline=None, phases=[Phase.generate], database=None)
        def ask(method: str, headers: list[tuple[str, bytes]]) -> None:
            given = {"host"} & {name for name, _ in headers}
            head = f"{method} {path} HTTP/1.1\r\n" + ("" if given else "host: localhost\r\n")
            lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
            with socket.create_connection(where, timeout=20) as opened:
                opened.sendall(head.encode() + lines + b"connection: close\r\n\r\n")
                answer = opened.recv(65536)
            status = int(answer.split()[1])
            statuses[status] += 1
            assert status < 500, (headers, answer)
            assert b"content-security-policy" in answer.lower()

        ask()
    print(path, dict(sorted(statuses.items())))  # noqa: T201
    assert 400 in statuses
