"""Limits on connections: how many there may be, and how long a client may keep one waiting.

uvicorn waits for ever for the rest of a request's head, and for a client that does not read its response. A
client at its limit gets a new connection in place of its longest idle one. So a client with many idle
connections does not lock out others with the same address.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.service import clients
from orchestrator.service.responses import HEADERS
from orchestrator.service.settings import Limits, Settings


def limited_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol class with the limits of `settings`."""

    class Limited(_Connection):
        limits = settings.limits
        opened = _OpenConnections(settings)

    return Limited


class _Connection(H11Protocol):
    limits: Limits
    opened: _OpenConnections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.active_at = self.loop.time()  # when the client last did something
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_idle(self) -> bool:
        """Whether the client must act: send a request or its rest, or read the response."""
        cycle = self.cycle
        return self.flow.write_paused or cycle is None or cycle.response_complete or cycle.more_body

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # to be told of whatever a client has not read yet
        if self.opened.add(self):
            self._expect_head()
        else:
            self._refuse(503, "too many connections; close some")

    def data_received(self, data: bytes) -> None:
        self.active_at = self.loop.time()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel("head")
        elif "head" not in self._deadlines:
            self._expect_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.active_at = self.loop.time()
        self._deadlines["read"] = self.loop.call_later(self.limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self.active_at = self.loop.time()
        self._cancel("read")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.opened.remove(self)
        self._cancel("head")
        self._cancel("read")
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not HTTP/1.1: its first line, a header or a length is malformed")

    def _refuse(self, status: int, detail: str) -> None:
        """Respond to an incomplete request, and close the connection."""
        body = json.dumps({"detail": detail}).encode()
        length = str(len(body))
        own = {"content-type": "application/json", "content-length": length, "connection": "close"}
        headers = [(name.encode(), value.encode()) for name, value in {**HEADERS, **own}.items()]
        answer = (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        with suppress(h11.LocalProtocolError):  # an earlier request is being answered
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in answer))
        self.transport.close()

    def _expect_head(self) -> None:
        self._deadlines["head"] = self.loop.call_later(self.limits.patience_seconds, self.transport.close)

    def _cancel(self, what: str) -> None:
        if (deadline := self._deadlines.pop(what, None)) is not None:
            deadline.cancel()


class _OpenConnections:
    """The open connections, by client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_client: dict[str, set[_Connection]] = defaultdict(set)

    def add(self, new: _Connection) -> bool:
        """Count a connection. Return False if there is no room for it, and no idle one to close instead."""
        limits, client = self._settings.limits, _client(new)
        # a proxy's are those of many: GuardMiddleware counts their requests by client
        is_proxy = clients.is_among(client, self._settings.proxies)
        of_one = limits.connections if is_proxy else limits.connections_of_one
        if not self._make_room(self._by_client[client], of_one):
            return False
        all_open = [one for theirs in self._by_client.values() for one in theirs]
        if not self._make_room(all_open, limits.connections):
            return False
        self._by_client[client].add(new)
        return True

    def remove(self, gone: _Connection) -> None:
        theirs = self._by_client[_client(gone)]
        theirs.discard(gone)
        if not theirs:
            del self._by_client[_client(gone)]

    def _make_room(self, opened: Collection[_Connection], most: int) -> bool:
        if len(opened) < most:
            return True
        longest_idle = min(
            (one for one in opened if one.is_idle), key=lambda one: one.active_at, default=None
        )
        if longest_idle is None:
            return False
        self.remove(longest_idle)
        longest_idle.transport.abort()
        return True


def _client(connection: _Connection) -> str:
    return clients.client_key(connection.client[0] if connection.client else "")
