"""The application: its endpoints, its page, its middleware, and the worker of its queue."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import plotly
import uvicorn
from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from orchestrator.service import responses
from orchestrator.service.actions import Actions
from orchestrator.service.connections import limited_protocol
from orchestrator.service.middleware import GuardMiddleware
from orchestrator.service.queries import RecordQueries
from orchestrator.service.queue_worker import QueueWorker, Tell, no_one
from orchestrator.service.routes import ServiceState, api, top
from orchestrator.service.settings import Settings
from orchestrator.spec.command_options import BadOption
from results.db.search_queue import SearchQueue
from results.packages import DISTRIBUTION

_STATIC = Path(__file__).parent / "static"
_PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_LARGEST_HEAD = 16 * 1024  # bytes of a request before its body
_UNSENT = 64 * 1024  # bytes of an answer that wait in the kernel
_SHUTDOWN_SECONDS = 3


@contextmanager
def open_service(settings: Settings, tell: Tell = no_one) -> Iterator[ServiceState]:
    """Open and migrate the database, and process the queue until the block ends. tell: as of `QueueWorker`

    Raise BadOption if another service processes it, or StoreError.
    """
    with ExitStack() as stack:
        queue = stack.enter_context(SearchQueue(settings.database))
        record = stack.enter_context(closing(RecordQueries(settings.database)))
        worker = stack.enter_context(closing(QueueWorker(settings, queue, tell)))
        worker.open()
        yield ServiceState(settings, record, Actions(settings, queue, worker))


def create(state: ServiceState) -> ASGIApp:
    """Return the application with its middleware."""
    app = FastAPI(
        title="nomad-nas",
        version=importlib.metadata.version(DISTRIBUTION),
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages load scripts from other sites; ours is static/docs.js
        redoc_url=None,
    )
    app.state.service = state
    app.include_router(api)
    app.include_router(top)
    for kind in responses.CLIENT_ERRORS:
        app.add_exception_handler(kind, responses.error_response)
    app.add_api_route("/", _page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/static/plotly.js", _plotly, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC))

    return GuardMiddleware(app, state.settings)


def _page() -> Response:
    return FileResponse(_STATIC / "index.html")


def _plotly() -> Response:
    """Return plotly.js of the installed plotly. It has megabytes, so a browser may cache it."""
    kept = {"cache-control": "private, max-age=86400"}
    return FileResponse(_PLOTLY, media_type="text/javascript", headers=kept)


def server(state: ServiceState) -> uvicorn.Server:
    """Return the server, to be run on a listening socket."""
    config = uvicorn.Config(
        create(state),
        http=limited_protocol(state.settings),
        ws="none",
        lifespan="off",
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="error",  # malformed requests must not fill the log
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM, unless they were ignored when it began, as they are for a script's job."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        is_main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if is_main else ()
        ignored = [number for number in numbers if signal.getsignal(number) is signal.SIG_IGN]
        with super().capture_signals():
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            yield


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free one. Raise BadOption if that is not possible."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=kind, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise BadOption(
            f"cannot listen on {host}, port {port}: {why}; give another --port or --host"
        ) from error
    # accepted connections have it too: the kernel would hold megabytes for each client that does not read
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    return listening
