"""What stands before every request: who may ask, how much, how fast.

On loopback without a token the danger is a page of another site in the owner's own browser: it can send
requests here, and by renaming its own host to this address (DNS rebinding) read the answers. So the Host must
be a name of this machine, the Origin must be the page's own, and what changes anything must say that it is
JSON, which no form of another site can without being asked first.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.service import token
from orchestrator.service.settings import Settings, is_loopback

_STYLES = "'self' 'unsafe-hashes' 'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"  # one of plotly's
HEADERS = {
    "content-security-policy": f"default-src 'none'; script-src 'self'; style-src {_STYLES}; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_REMEMBERED = 4096  # addresses


class Refusal(Exception):
    """The request goes no further."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass
class Buckets:
    """A token bucket for each address, of which the longest unseen are forgotten."""

    per_second: float
    burst: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def has(self, address: str) -> bool:
        return self._now(address) >= 1

    def take(self, address: str) -> bool:
        """Take one; False where there is none."""
        left = self._now(address)
        self._left[address] = (max(left - 1, 0.0) if left >= 1 else left, time.monotonic())
        self._left.move_to_end(address)
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1

    def _now(self, address: str) -> float:
        left, seen = self._left.get(address, (self.burst, time.monotonic()))
        return min(self.burst, left + (time.monotonic() - seen) * self.per_second)


class Guard:
    """The application behind its guard."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        limits = settings.limits
        self._asked = Buckets(limits.per_second, limits.burst)
        self._wrong = Buckets(0.1, limits.wrong_tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def patient_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await asyncio.wait_for(send(_with_headers(message)), self._settings.limits.send_seconds)

        try:
            self._judge(scope)
            body = await self._body(scope, receive)
            await self._app(scope, _replayed(body, receive), patient_send)
        except Refusal as refusal:
            assert not begun
            await _refuse(patient_send, refusal)
        except TimeoutError:  # a client that does not read what it asked for
            return

    def _judge(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        address = (scope.get("client") or ("?",))[0]
        if not self._asked.take(address):
            raise Refusal(429, "too many requests; wait a second")
        self._know_the_host(headers)
        self._know_the_page(headers, scope)
        if scope["path"].startswith("/api") and self._settings.token_hash is not None:
            self._know_the_token(headers, address, self._settings.token_hash)
        if scope["method"] in ("POST", "PUT", "PATCH"):
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise Refusal(415, "say content-type: application/json, and send that")

    def _know_the_host(self, headers: Mapping[str, str]) -> None:
        """With a token any name will do: a page of another host has not got it."""
        host = _name(headers.get("host", ""))
        known = (*self._settings.names, self._settings.host, "localhost", "127.0.0.1", "::1")
        if self._settings.token_hash is None and host not in known and not is_loopback(host):
            raise Refusal(421, f"this service is not named {host[:100]!r}; see --host-name")

    def _know_the_page(self, headers: Mapping[str, str], scope: Scope) -> None:
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise Refusal(403, "a page of another site asks; nothing is done for it")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api"):
            raise Refusal(403, "a page of another site asks; nothing is done for it")

    def _know_the_token(self, headers: Mapping[str, str], address: str, token_hash: str) -> None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if not shown or scheme.lower() != "bearer":
            raise Refusal(401, "show the token: authorization: Bearer TOKEN")
        if not self._wrong.has(address):
            raise Refusal(429, "too many wrong tokens; wait a minute")
        if not token.fits(shown.strip(), token_hash):
            self._wrong.take(address)
            raise Refusal(401, "this is not the token of this service")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Read the body whole, before anything is done with it."""
        limits = self._settings.limits
        too_much = Refusal(413, f"a body has {limits.body_bytes} bytes at most")
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > limits.body_bytes:
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


def _name(host: str) -> str:
    """Return a Host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    theirs = {name for name, _ in message.get("headers", ())}
    ours = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in theirs]
    return {**message, "headers": [*message.get("headers", ()), *ours]}


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"detail": str(refusal)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
