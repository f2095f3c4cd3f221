"""Checks before every request: who may send it, how large it may be, and how many there may be.

On loopback without a token the risk is a page of another site in the owner's browser. It can send requests
here, and with DNS rebinding (its host name resolving to this address) read the responses. So the Host must
be a name of this machine, and the Origin must be the page's own. Requests that change something must have
the content type JSON, which a form of another site cannot send without a preflight request.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
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
_GUARDED = ("/api", "/metrics")  # paths that need the token
_OPEN = ("/api/health", "/api/docs")  # the exceptions, which tell nothing of studies
_LINGER_SECONDS = 1.0
_MORE_HEADERS = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}  # by status


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
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, address: str) -> bool:
        """Take a token from the bucket; False if it is empty."""
        now = time.monotonic()
        left, seen = self._left.pop(address, (self.burst, now))
        left = min(self.burst, left + (now - seen) * self.per_second)
        self._left[address] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]
        return left >= 1


class GuardMiddleware:
    """The application behind these checks."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        limits = settings.limits
        self._requests = Buckets(limits.per_second, limits.burst)
        self._wrong_tokens = Buckets(0.1, limits.wrong_tokens)
        self._busy = Counter[str]()  # requests by client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send_pieces = _send_in_pieces(send, self._settings.limits.piece_bytes)
        prefix = self._settings.root_path
        path = _remove_prefix(scope["path"], prefix)
        headers = Headers(scope=scope)
        try:
            for name in _ONCE:
                if len(headers.getlist(name)) > 1:
                    raise Refusal(400, f"the header {name} is there twice")
            peer = (scope.get("client") or ("?",))[0]
            client = self._find_client(headers, peer)
            with self._count(headers, client, peer):
                self._check(headers, client, scope["method"], path)
                unread = [{"type": "http.request", "body": await self._read_body(headers, receive)}]

                async def replay() -> Message:
                    return unread.pop() if unread else await receive()

                inner = {**scope, "client": (client, 0), "root_path": prefix, "path": prefix + path}
                app = self._app if path else RedirectResponse(f"{prefix}/", 308)
                await app(inner, replay, send_pieces)
        except Refusal as refusal:
            await _refuse(send_pieces, refusal, receive)

    def _find_client(self, headers: Headers, peer: str) -> str:
        forwarded = ", ".join(headers.getlist("x-forwarded-for"))
        try:
            address = clients.find_address(peer, forwarded, self._settings.proxies)
        except ValueError:
            raise _malformed("x-forwarded-for") from None
        return clients.client_key(address)

    @contextmanager
    def _count(self, headers: Headers, client: str, peer: str) -> Iterator[None]:
        """Count the request. Requests with the token do not count for others with the same address."""
        counted = f"{client} with the token" if self._has_token(headers) else client
        if not self._requests.take(counted):
            raise Refusal(429, "too many requests; wait a second")
        is_proxied = clients.is_among(peer, self._settings.proxies)  # else its connection counts already
        if is_proxied and self._busy[counted] >= self._settings.limits.connections_of_one:
            raise Refusal(429, "too many requests at once; wait for their answers")
        self._busy[counted] += 1
        try:
            yield
        finally:
            self._busy[counted] -= 1
            if not self._busy[counted]:
                del self._busy[counted]

    def _check(self, headers: Headers, client: str, method: str, path: str) -> None:
        self._check_host(headers)
        self._check_origin(headers, path)
        if path.startswith(_GUARDED) and path not in _OPEN and self._settings.token_hash is not None:
            self._check_token(headers, client)
        if "transfer-encoding" in headers and "content-length" in headers:
            raise Refusal(400, "give content-length or transfer-encoding, not both")
        if method in ("POST", "PUT", "PATCH"):
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise Refusal(415, "send JSON, with content-type: application/json")

    def _check_host(self, headers: Headers) -> None:
        """Check the Host. With a token any name is accepted: a page of another site does not have it."""
        match = _HOST.fullmatch(headers.get("host", "").lower())
        if match is None:
            raise _malformed("host")
        host = match["name"].strip("[]")
        known = (*self._settings.names, self._settings.host, "localhost", "127.0.0.1", "::1")
        if self._settings.token_hash is None and host not in known and not is_loopback(host):
            raise Refusal(421, f"this service is not named {host[:100]!r}; see --host-name")

    def _check_origin(self, headers: Headers, path: str) -> None:
        is_of_another = headers.get("sec-fetch-site") == "cross-site" and path.startswith(_GUARDED)
        if "origin" in headers:
            match = _ORIGIN.fullmatch(headers["origin"].lower())
            if match is None:
                raise _malformed("origin")
            is_of_another |= match["host"] != headers.get("host", "").lower()
        if is_of_another:
            raise Refusal(403, "the request comes from a page of another site")

    def _check_token(self, headers: Headers, client: str) -> None:
        """Check the token. The right one is accepted however many wrong ones come from the same address."""
        if self._has_token(headers):
            return
        if not _read_token(headers):
            raise Refusal(401, "send the token: authorization: Bearer TOKEN")
        if not self._wrong_tokens.take(client):
            raise Refusal(429, "too many wrong tokens; wait a minute")
        raise Refusal(401, "this is not the token of this service")

    def _has_token(self, headers: Headers) -> bool:
        token_hash = self._settings.token_hash
        return token_hash is not None and auth.has_hash(_read_token(headers), token_hash)

    async def _read_body(self, headers: Headers, receive: Receive) -> bytes:
        """Read the whole body before the application sees it."""
        limits = self._settings.limits
        too_much = Refusal(413, f"a body may have at most {limits.body_bytes} bytes")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise _malformed("content-length")
        if int(length) > limits.body_bytes:
            raise too_much
        body = bytearray()
        try:
            async with asyncio.timeout(limits.patience_seconds):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > limits.body_bytes:
                        raise too_much
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Refusal(408, "the request did not arrive in time") from None


def _remove_prefix(path: str, prefix: str) -> str:
    """Return the path as the application knows it, whether or not a proxy has removed the prefix already."""
    return path.removeprefix(prefix) if path == prefix or path.startswith(f"{prefix}/") else path


def _read_token(headers: Headers) -> str:
    """Return the token in the headers, empty if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _malformed(name: str) -> Refusal:
    return Refusal(400, f"the header {name} is malformed")


def _send_in_pieces(send: Send, most: int) -> Send:
    """Return a `send` that adds our headers, and sends the response in pieces that a client must read."""

    async def send_pieces(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        body = message.get("body", b"")
        if len(body) <= most:
            await send(message)
            return
        for begin in range(0, len(body), most):
            more = message.get("more_body", False) or begin + most < len(body)
            await send({**message, "body": body[begin : begin + most], "more_body": more})

    return send_pieces


async def _refuse(send: Send, refusal: Refusal, receive: Receive) -> None:
    more = {"connection": "close", **_MORE_HEADERS.get(refusal.status, {})}
    answer = JSONResponse({"detail": str(refusal)}, refusal.status, headers=more)
    await send({"type": "http.response.start", "status": refusal.status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with suppress(TimeoutError):  # a client cut off in the middle of its body would not read the answer
        async with asyncio.timeout(_LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body"})
