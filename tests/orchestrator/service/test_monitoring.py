"""Whether the service works, as programs ask it, and its metrics."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import httpx

from orchestrator.service import auth
from orchestrator.service.queue_worker import QueueWorker
from orchestrator.service.settings import Limits
from results.db.search_queue import SearchQueue
from tests.orchestrator import _studies
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import ASKED, post, reaches, serving, settings


def read_metrics(client: httpx.Client) -> dict[str, float]:
    """Return the samples, each line of which is as the format has it."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    *lines, end = answer.text.split("\n")
    assert end == ""
    samples = [line for line in lines if not line.startswith(("# HELP nas_", "# TYPE nas_"))]
    parts = [re.fullmatch(r'(nas_\w+(?:\{state="\w+"\})?) ([\d.e+-]+)', line) for line in samples]
    assert all(parts), samples
    return {part[1]: float(part[2]) for part in parts if part}


def test_metrics_count_studies_trials_queue_and_device_time(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=4, replicates=2)
    with serving(tmp_path) as client:
        told = read_metrics(client)
        rows = client.get("/api/studies/s/trials").json()
        assert told['nas_studies{state="finished"}'] == 1
        assert told['nas_trials{state="completed"}'] == sum(row["state"] == "completed" for row in rows) > 0
        spent = sum(row["slot_seconds"] or 0 for row in rows)
        assert abs(told["nas_device_seconds"] - spent) < 1e-6
        assert told['nas_workers{state="busy"}'] == told["nas_queue_length"] == 0
        assert told["nas_disk_free_bytes"] > 0
        post(client, "/api/studies", **{**ASKED, "study": "t", "data": "fake:sleep=1"}).raise_for_status()
        post(client, "/api/studies", **{**ASKED, "study": "u"}).raise_for_status()
        assert reaches(client, "running", "t")
        assert eventually(lambda: read_metrics(client)['nas_workers{state="busy"}'] == 1, 30)
        told = read_metrics(client)
        assert told["nas_queue_length"] == told['nas_studies{state="queued"}'] == 1
        assert told['nas_studies{state="running"}'] == told['nas_trials{state="running"}'] == 1


def test_a_service_that_works_is_healthy(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        assert eventually(lambda: client.get("/api/health").status_code == 200, 20)
        assert client.get("/api/health").json() == {"database": True, "disk": True, "queue": True}


def test_a_service_that_lacks_something_says_which(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(least_free_bytes=2**62), leaving=True) as client:
        assert eventually(lambda: client.get("/api/health").json()["queue"], 20)
        answer = client.get("/api/health")
        assert (answer.status_code, answer.json()["disk"]) == (503, False)
        (tmp_path / "results.db").rename(tmp_path / "moved.db")
        assert client.get("/api/health").json()["database"] is False


def test_a_queue_that_is_closed_does_not_work(tmp_path: Path) -> None:
    with SearchQueue(str(tmp_path / "results.db")) as queue:
        with closing(QueueWorker(settings(tmp_path), queue)) as worker:
            assert not worker.is_working
            worker.open()
            assert eventually(lambda: worker.is_working, 20)
        assert not worker.is_working


def test_health_needs_no_token_and_metrics_do(tmp_path: Path) -> None:
    token = auth.make(tmp_path / "token")
    with serving(tmp_path, token_hash=auth.read(tmp_path / "token"), leaving=True) as client:
        assert client.get("/api/health").status_code in (200, 503)
        assert client.get("/api/docs").headers["location"] == "../#/docs"
        assert client.get("/metrics").status_code == 401
        for path in ("/api/health/", "/api/docs/x", "/api//health", "/metrics/"):
            assert client.get(path).status_code in (401, 404), path
        assert client.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 200
