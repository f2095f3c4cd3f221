"""A proxy that serves the service below a path, as nginx and Caddy do: it removes the path, or keeps it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from orchestrator.service import app
from tests.orchestrator._processes import eventually

PREFIX = "/nas"


@contextmanager
def proxying(service: httpx.URL, *, strips: bool) -> Iterator[httpx.Client]:
    """A client of a running proxy, which answers 404 outside of PREFIX and passes on the Host."""

    async def forward(request: Request) -> Response:
        path = request.url.path
        if not path.startswith(PREFIX):
            return Response(status_code=404)
        asked = service.copy_with(
            path=(path.removeprefix(PREFIX) or "/") if strips else path, query=request.url.query.encode()
        )
        client = httpx.AsyncClient(timeout=30, trust_env=False)
        sent = client.build_request(
            request.method, asked, headers=request.headers.raw, content=await request.body()
        )
        answer = await client.send(sent, stream=True)

        async def body() -> AsyncIterator[bytes]:
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await client.aclose()

        passed = StreamingResponse(body(), answer.status_code)
        passed.raw_headers = answer.headers.raw
        return passed

    proxy = Starlette(
        routes=[Route("/{path:path}", forward, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])]
    )
    with app.listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(
            uvicorn.Config(proxy, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        assert eventually(lambda: server.started or not thread.is_alive(), 30)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}/"
        try:
            with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
