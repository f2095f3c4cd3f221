"""What clients that take nothing of their answers cost everybody else, and the memory of the service.

    python benchmarks/slow_readers.py [--clients 210] [--seconds 60] [--out FILE.json]

First the clients, all at 127.0.0.2, ask for the library of the plots (4.7 MB, no token needed) and read
nothing of it. Then, at another service, as many open the event stream of a study. Then somebody at 127.0.0.1
opens one, and once a second asks for the page; for the second half of the time at the clients' own address.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from _setting import setting
from service import DISTRIBUTIONS, serving, summary

from results.db.store import Store

CROWDED, OTHER = "127.0.0.2", "127.0.0.1"


def main() -> None:
    asked = _arguments()
    report = setting(DISTRIBUTIONS) | {"clients": asked.clients, "seconds": asked.seconds}
    for name, path in (("library", "/static/plotly.js"), ("streams", "/api/studies/s/stream")):
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.db") as store:
            store.open_study("s", "nas", {"subject": "senet18"}, 10, {}, None)
            report[name] = _measured(Path(folder), path, asked.clients, asked.seconds)
    report["load_average_after"] = list(os.getloadavg())
    text = json.dumps(report, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


def _measured(folder: Path, path: str, clients: int, seconds: float) -> dict[str, Any]:
    with serving(folder) as (service, url):
        httpx.get(url, trust_env=False)
        before = _memory(service.pid)
        address = httpx.URL(url)
        held = [_asking(address.host, address.port or 80, path) for _ in range(clients)]
        with httpx.stream("GET", f"{url}/api/studies/s/stream", timeout=5.0, trust_env=False) as opened:
            stream_of_another = opened.status_code
        others = {at: _visited(url, at, seconds / 2) for at in (OTHER, CROWDED)}
        return {
            "memory_mb": {"before": before, "most": _memory(service.pid, "VmHWM")},
            "answers_at_once": dict(Counter(map(_status, held))),
            "connections_left": _connections(address.port or 80),
            "stream_of_another": stream_of_another,
            "others": others,
        }


def _asking(host: str, port: int, path: str) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.bind((CROWDED, 0))
    opened.connect((host, port))
    opened.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    time.sleep(0.03)
    return opened


def _status(held: socket.socket) -> str:
    """The status of the answer, which the client looks at only now."""
    with selectors.DefaultSelector() as ready:
        ready.register(held, selectors.EVENT_READ)
        try:
            answer = held.recv(20) if ready.select(0) else b""
        except ConnectionResetError:
            return "cut"
    return answer.split()[1].decode() if answer.startswith(b"HTTP") else "none"


def _visited(url: str, at: str, seconds: float) -> dict[str, Any]:
    """Ask for the page once a second."""
    statuses, spent = Counter[str](), list[float]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        with httpx.Client(transport=httpx.HTTPTransport(local_address=at), timeout=5.0) as client:
            try:
                statuses[str(client.get(url).status_code)] += 1
            except httpx.HTTPError as error:
                statuses[type(error).__name__] += 1
        spent.append(1000 * (time.perf_counter() - begun))
        time.sleep(1)
    return {"statuses": dict(statuses), "ms": summary(spent)}


def _memory(pid: int, what: str = "VmRSS") -> float:
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return round(int(kilobytes) / 1024, 1)


def _connections(port: int) -> int:
    """The service's connections that are open."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=210)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
