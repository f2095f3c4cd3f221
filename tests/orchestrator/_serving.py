"""A service on a port of its own, in this process; the searches that it starts are processes as always."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from orchestrator.service import app
from orchestrator.service.settings import Settings
from results.db.store import Store
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import TRAINER

ASKED: dict[str, Any] = {
    "kind": "nas",
    "base": "senet18",
    "data": "fake:",
    "budget": "10steps",
    "trials": 6,
    "replicates": 2,
    "confirm": 0,
    "solver": "random",
    "device": "cpu",
    "slots": 1,
    "study": "s",
}


def settings(folder: Path, **changes: Any) -> Settings:
    """A service of the fake trainer on the record in `folder`."""
    usual: dict[str, Any] = {"runs": folder, "database": str(folder / "results.db"), "trainer": TRAINER}
    return Settings(**{**usual, **changes})


@contextmanager
def serving(folder: Path, *, leaving: bool = False, **changes: Any) -> Iterator[httpx.Client]:
    """A client of a running service, whose searches are stopped in the end unless it is `leaving` them."""
    Store(folder / "results.db").close()  # by us, for a search would import all that migrations need
    with (
        app.open_service(settings(folder, **changes)) as state_of_service,
        app.listen("127.0.0.1", 0) as listening,
    ):
        server = app.server(state_of_service)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        assert eventually(lambda: server.started or not thread.is_alive(), 30)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            try:
                yield client
            finally:
                if not leaving:
                    stop_all(client)
                server.should_exit = True
                thread.join()


def stop_all(client: httpx.Client) -> None:
    """Stop every search, and see it end."""
    listed = client.get("/api/studies")
    if listed.status_code == 200:
        names = [row["name"] for row in listed.json() if row["state"] in ("queued", "starting", "running")]
        for name in names:
            post(client, f"/api/studies/{name}/stop")
        assert until(client, lambda rows: all(row["state"] not in ("starting", "running") for row in rows))


def post(client: httpx.Client, path: str, **said: Any) -> httpx.Response:
    return client.post(path, json=said)


def state(client: httpx.Client, name: str = "s") -> str | None:
    """How a study stands, None where there is none."""
    answer = client.get(f"/api/studies/{name}")
    return str(answer.json()["state"]) if answer.status_code == 200 else None


def reaches(client: httpx.Client, wanted: str | None, name: str = "s") -> bool:
    """Whether a study comes to stand so."""
    return eventually(lambda: state(client, name) == wanted, 60, pause=0.2)


def until(client: httpx.Client, holds: Callable[[list[dict[str, Any]]], bool]) -> bool:
    """Whether the list of studies comes to be so."""
    return eventually(lambda: holds(client.get("/api/studies").json()), 60, pause=0.2)


def trials(client: httpx.Client, name: str = "s") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/studies/{name}/trials").json()
    return found
