"""The application: its addresses, its page, its guard, and the queue that lives as long as it does."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.options import BadOption
from orchestrator.service import answers
from orchestrator.service.desk import Desk
from orchestrator.service.guard import Guard
from orchestrator.service.record import Record
from orchestrator.service.routes import Place, api
from orchestrator.service.searches import Searches
from orchestrator.service.settings import Settings
from results.packages import DISTRIBUTION
from results.queue import Queue

_STATIC = Path(__file__).parent / "static"
_LARGEST_HEAD = 16 * 1024  # bytes of a request before its body
_FAREWELL_SECONDS = 3


@contextmanager
def opened(settings: Settings) -> Iterator[Place]:
    """Open the record, which is migrated, and work off the queue until the block ends.

    Raise BadOption where another service does, or StoreError.
    """
    with ExitStack() as stack:
        queue = stack.enter_context(Queue(settings.database))
        record = stack.enter_context(closing(Record(settings.database)))
        searches = stack.enter_context(closing(Searches(settings, queue)))
        searches.open()
        yield Place(settings, record, Desk(settings, queue, searches))


def create(place: Place) -> ASGIApp:
    """Return the application, behind its guard."""
    app = FastAPI(
        title="nomad-nas",
        version=importlib.metadata.version(DISTRIBUTION),
        openapi_url="/api/openapi.json",
        docs_url=None,  # they load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.place = place
    app.include_router(api)
    for kind in answers.MENDABLE:
        app.add_exception_handler(kind, answers.refusal_of)
    app.add_api_route("/", _page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/static/plotly.js", _plotly, methods=["GET"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC))

    return Guard(app, place.settings)


def _page() -> Response:
    return FileResponse(_STATIC / "index.html")


def _plotly() -> Response:
    """The library that draws the plots, of the installed plotly: megabytes, so a browser may keep it."""
    whole = resources.files("plotly") / "package_data" / "plotly.min.js"
    kept = {"cache-control": "private, max-age=86400"}
    return Response(whole.read_bytes(), media_type="text/javascript", headers=kept)


def server(place: Place) -> uvicorn.Server:
    """Return the server, to be run on a listening socket."""
    limits = place.settings.limits
    config = uvicorn.Config(
        create(place),
        http=_impatient(limits.patience_seconds),
        ws="none",
        lifespan="off",
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        limit_concurrency=limits.connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_FAREWELL_SECONDS,
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="warning",
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 is any free one. Raise BadOption where that cannot be."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=kind, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise BadOption(
            f"cannot listen at {host}, port {port}: {why}; give another --port or --host"
        ) from error


def _impatient(seconds: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, made to hang up on a client whose request's head takes longer.

    uvicorn itself waits for ever for the rest of a head that has begun.
    """

    class Impatient(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            with suppress(AttributeError):
                if self.cycle is not None and not self.cycle.response_complete:
                    self._expect_no_more()
                elif self._deadline is None:
                    self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_no_more()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _expect_no_more(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Impatient
