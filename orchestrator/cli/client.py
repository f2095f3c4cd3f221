"""Start a search on another machine: send its options to the service there, and print where to watch it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from orchestrator.console import json_lines
from orchestrator.console.summary import say
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.search_options import SearchOptions
from results.terminal import SafeConsole

TOKEN = "NAS_TOKEN"  # the environment variable that may hold it
_SECONDS = 150.0  # a plan starts a trainer


def start(model: type[SearchOptions], given: Mapping[str, Any]) -> None:
    """Ask the service at `given["server"]` to plan or to queue a search, and print its answer.

    Raise BadOption if the service refuses the options or cannot be reached.
    """
    check(
        not given.get("check_trainer"),
        "--check-trainer has no effect with --server, whose owner chooses the trainer; omit it",
    )
    as_json, url = bool(given.get("json")), _address(str(given["server"]))
    console = SafeConsole(stderr=as_json)
    asked = {"kind": model.kind, **_options(model, given)}
    if given.get("plan"):
        lines = _answer(url, "/api/plan", asked, given)["lines"]
        say(console, *lines)
        told: dict[str, Any] = {"event": "plan", "lines": lines}
    else:
        study = _answer(url, "/api/studies", asked, given)["study"]
        address = f"{url}/#/study/{quote(study)}"
        say(console, f"study {study} is in the queue; watch, stop or resume it at {address}")
        told = {"event": "queued", "study": study, "address": address}
    if as_json:
        json_lines.emit(**told)
        json_lines.emit_end(0)


def _address(server: str) -> str:
    """Return the service's address. Raise BadOption if it is not one, or has a password in it."""
    if "@" in server.partition("://")[2].partition("/")[0]:
        raise BadOption(
            "--server takes no user or password; nas-serve asks for a token: --token-file or NAS_TOKEN"
        )
    try:
        has_host = bool(urlsplit(server).hostname)
    except ValueError:
        has_host = False
    check(has_host, f"--server {server} is not an address; give one like http://gpu-box:8420")
    return server.rstrip("/")


def _options(model: type[SearchOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the search itself, as JSON values. Raise BadOption."""
    mine = {*model.options("command"), *model.removed}
    asked = {name: value for name, value in given.items() if name not in mine}
    return model.parse(asked).model_dump(mode="json", include=set(asked), exclude_none=True)


def _answer(url: str, path: str, asked: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    try:
        # httpx would need what a SOCKS proxy takes even where NO_PROXY says to go without
        way: Any = {"proxy": _proxy(url), "trust_env": False, "verify": httpx.create_ssl_context()}
        with httpx.Client(timeout=_SECONDS, **way) as client:
            answer = client.post(url + path, json=asked, headers=_shown(given))
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        raise BadOption(_unreached(url, error)) from error
    try:
        told = answer.json()
    except ValueError:
        told = {}
    if answer.is_success and told:
        return told
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise BadOption(
            f"the service at {url} asks for its token; give --token-file FILE, or {TOKEN}, with the right one"
        )
    said = told.get("detail") or f"it answered {answer.status_code}, which nas-serve never does"
    raise BadOption(f"the service at {url} refuses: {said}")


def _unreached(url: str, error: Exception) -> str:
    proxy = _proxy(url)
    if proxy is None:
        return f"--server {url} cannot be reached: {error}; is nas-serve running there?"
    shown = re.sub(r"//[^/@]*@", "//", proxy)  # without a password
    why = "a SOCKS proxy needs the package socksio" if isinstance(error, ImportError) else error
    return (
        f"--server {url} cannot be reached through the proxy {shown} of the environment: {why}; "
        f"add {urlsplit(url).hostname} to NO_PROXY to go without"
    )


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for the address; none for this machine."""
    parts, proxies = urlsplit(url), getproxies()
    host, named = parts.hostname or "", proxies.get(parts.scheme) or proxies.get("all")
    if named is None or is_loopback(host) or proxy_bypass(host):
        return None
    return named if "://" in named else f"http://{named}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadOption(
            f"--token-file {path} cannot be read: {why}; give the file that holds the token"
        ) from error


def _shown(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the header with the token, if there is a token."""
    token = os.environ.get(TOKEN, "")
    if given.get("token_file") is not None:
        token = _read(Path(given["token_file"]))
    check(
        token.isascii() and len(token.split()) <= 1, "the token must be one word of letters, digits, - and _"
    )
    return {"authorization": f"Bearer {token}"} if token else {}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
