"""Checks before every request: who may send it, how large it may be, and how many there may be.

On loopback without a token the risk is a page of another site in the owner's browser. It can send requests
here, and with DNS rebinding (its host name resolving to this address) read the responses. So the Host must
be a name of this machine, and the Origin must be the page's own. Requests that change something must have
the content type JSON, which a form of another site cannot send without a preflight request.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.cli.client import is_loopback
from orchestrator.service import auth, clients
from orchestrator.service.responses import HEADERS
from orchestrator.service.settings import Settings

_NAME = r"(\[[0-9a-f:.]+\]|[\w.-]*)"  # of a host, in brackets where it is an address of IPv6
_HOST = re.compile(rf"(?P<name>{_NAME})(:\d{{0,5}})?", re.ASCII)
_ORIGIN = re.compile(rf"null|[a-z][a-z0-9+.-]*://(?P<host>{_NAME}(:\d{{0,5}})?)", re.ASCII)
_ONCE = ("authorization", "content-length", "content-type", "host", "last-event-id", "origin", "range")
_REMEMBERED = 4096  # addresses
_LINGER_SECONDS = 1.0


class Refusal(Exception):
    """The request is rejected."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass
class Buckets:
    """A token bucket for each address; those not seen for longest are forgotten."""

    per_second: float
    burst: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, address: str) -> bool:
        """Take a token from the bucket; False if it is empty."""
        left = self._now(address)
        self._left[address] = (max(left - 1, 0.0) if left >= 1 else left, time.monotonic())
        self._left.move_to_end(address)
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1

    def _now(self, address: str) -> float:
        left, seen = self._left.get(address, (self.burst, time.monotonic()))
        return min(self.burst, left + (time.monotonic() - seen) * self.per_second)


class GuardMiddleware:
    """The application behind these checks."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        limits = settings.limits
        self._asked = Buckets(limits.per_second, limits.burst)
        self._wrong = Buckets(0.1, limits.wrong_tokens)
        self._busy = Counter[str]()  # requests by client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send_pieces = _in_pieces(send, self._settings.limits.piece_bytes)
        try:
            headers = _headers(scope)
            peer = (scope.get("client") or ("?",))[0]
            client = self._client(headers, peer)
            with self._counted(headers, client, peer):
                self._judge(headers, client, scope)
                body = await self._body(scope, receive)
                await self._app({**scope, "client": (client, 0)}, _replayed(body, receive), send_pieces)
        except Refusal as refusal:
            await _refuse(send_pieces, refusal, receive)

    def _client(self, headers: Mapping[str, str], peer: str) -> str:
        try:
            address = clients.behind(peer, headers.get("x-forwarded-for", ""), self._settings.proxies)
        except ValueError:
            raise _malformed("x-forwarded-for") from None
        return clients.client_key(address)

    @contextmanager
    def _counted(self, headers: Mapping[str, str], client: str, peer: str) -> Iterator[None]:
        """Count the request. Requests with the token do not count for others with the same address."""
        whose = f"{client} with the token" if self._shows_the_token(headers) else client
        if not self._asked.take(whose):
            raise Refusal(429, "too many requests; wait a second")
        is_proxied = clients.is_among(peer, self._settings.proxies)  # else its connection counts already
        if is_proxied and self._busy[whose] >= self._settings.limits.connections_of_one:
            raise Refusal(429, "too many requests at once; wait for their answers")
        self._busy[whose] += 1
        try:
            yield
        finally:
            self._busy[whose] -= 1
            if not self._busy[whose]:
                del self._busy[whose]

    def _judge(self, headers: Mapping[str, str], client: str, scope: Scope) -> None:
        self._know_the_host(headers)
        self._know_the_page(headers, scope)
        if scope["path"].startswith("/api") and self._settings.token_hash is not None:
            self._know_the_token(headers, client)
        if "transfer-encoding" in headers and "content-length" in headers:
            raise Refusal(400, "give content-length or transfer-encoding, not both")
        if scope["method"] in ("POST", "PUT", "PATCH"):
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise Refusal(415, "send JSON, with content-type: application/json")

    def _know_the_host(self, headers: Mapping[str, str]) -> None:
        """Check the Host. With a token any name is accepted, since a page of another site does not
        have it.
        """
        told = headers.get("host", "").lower()
        match = _HOST.fullmatch(told)
        if match is None:
            raise _malformed("host")
        host = match["name"].strip("[]")
        known = (*self._settings.names, self._settings.host, "localhost", "127.0.0.1", "::1")
        if self._settings.token_hash is None and host not in known and not is_loopback(host):
            raise Refusal(421, f"this service is not named {host[:100]!r}; see --host-name")

    def _know_the_page(self, headers: Mapping[str, str], scope: Scope) -> None:
        origin, is_of_another = headers.get("origin"), False
        if origin is not None:
            match = _ORIGIN.fullmatch(origin.lower())
            if match is None:
                raise _malformed("origin")
            is_of_another = match["host"] != headers.get("host", "").lower()
        is_cross = headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api")
        if is_of_another or is_cross:
            raise Refusal(403, "the request comes from a page of another site")

    def _know_the_token(self, headers: Mapping[str, str], client: str) -> None:
        """Check the token. The right one is accepted however many wrong ones come from the same address."""
        if self._shows_the_token(headers):
            return
        if not _token(headers):
            raise Refusal(401, "send the token: authorization: Bearer TOKEN")
        if not self._wrong.take(client):
            raise Refusal(429, "too many wrong tokens; wait a minute")
        raise Refusal(401, "this is not the token of this service")

    def _shows_the_token(self, headers: Mapping[str, str]) -> bool:
        known = self._settings.token_hash
        return known is not None and auth.fits(_token(headers), known)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Read the whole body before the application sees it."""
        limits = self._settings.limits
        too_much = Refusal(413, f"a body may have at most {limits.body_bytes} bytes")
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit():
            raise _malformed("content-length")
        if int(told) > limits.body_bytes:
            raise too_much
        body = bytearray()
        deadline = time.monotonic() + limits.patience_seconds
        while True:
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                raise Refusal(408, "the request did not arrive in time") from None
            body += message.get("body", b"")
            if len(body) > limits.body_bytes:
                raise too_much
            if not message.get("more_body"):
                return bytes(body)


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by name. Raise Refusal if one that must be single is there twice."""
    found: dict[str, str] = {}
    for name, value in (
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ):
        if name in found and name in _ONCE:
            raise Refusal(400, f"the header {name} is there twice")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _token(headers: Mapping[str, str]) -> str:
    """Return the token in the headers, empty if there is none."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def _malformed(name: str) -> Refusal:
    return Refusal(400, f"the header {name} is malformed")


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _in_pieces(send: Send, most: int) -> Send:
    """Return a `send` that adds our headers, and sends the response in pieces that a client must read."""

    async def send_pieces(message: Message) -> None:
        body = message.get("body", b"")
        if len(body) <= most:
            await send(_with_headers(message))
            return
        for begin in range(0, len(body), most):
            more = message.get("more_body", False) or begin + most < len(body)
            await send({**message, "body": body[begin : begin + most], "more_body": more})

    return send_pieces


def _with_headers(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    theirs = {name for name, _ in message.get("headers", ())}
    ours = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in theirs]
    return {**message, "headers": [*message.get("headers", ()), *ours]}


async def _refuse(send: Send, refusal: Refusal, receive: Receive) -> None:
    body = json.dumps({"detail": str(refusal)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):  # a client cut off in the middle of its body would not read the answer
        async with asyncio.timeout(_LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body"})
