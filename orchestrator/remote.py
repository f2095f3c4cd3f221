"""Start a search on another machine: hand the options to its service, and say where to watch it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console

from orchestrator.options import BadOption, check

TOKEN = "NAS_TOKEN"  # the environment variable that may hold it
_SUBJECTS = {"nas": "base", "hpo": "model"}
_SECONDS = 150.0  # a plan starts a trainer


def start(kind: str, given: Mapping[str, Any], console: Console) -> None:
    """Have the service at `given["server"]` make the plan of a search, or queue it, and say so.

    Raise BadOption for what the service refuses, and where it cannot be reached.
    """
    url = _address(str(given["server"]))
    asked = {"kind": kind, **_options(given)}
    if given.get("plan"):
        for line in _answer(url, "/api/plan", asked, given)["lines"]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    study = _answer(url, "/api/studies", asked, given)["study"]
    watch = f"study {study} is in the queue; watch, stop or resume it at {url}/#/study/{quote(study)}"
    console.print(watch, markup=False, highlight=False, soft_wrap=True)


def _address(server: str) -> str:
    """Return the service's address. Raise BadOption for one with a password, which would be shown."""
    if "@" in server.partition("://")[2].partition("/")[0]:
        raise BadOption(
            "--server takes no user or password; nas-serve asks for a token: --token-file or NAS_TOKEN"
        )
    return server.rstrip("/")


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given of the search itself, as JSON values."""
    mine = ("server", "token_file", "plan")
    asked = {name: value for name, value in given.items() if name not in mine and value not in (None, [])}
    if os.environ.get("NAS_DB") == asked.get("db"):
        asked.pop("db", None)  # meant for searches on this machine
    said = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
    return {name: value for name, value in said.items() if value is not False}


def _answer(url: str, path: str, asked: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    try:
        body = json.dumps(asked, allow_nan=False)
    except ValueError:
        strange = [f"--{name.replace('_', '-')} {value}" for name, value in asked.items() if value != value]
        raise BadOption(f"{', '.join(strange) or 'a value'} is out of range; give a finite number") from None
    head = {"content-type": "application/json", **_shown(given)}
    try:
        answer = httpx.post(url + path, content=body, headers=head, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadOption(f"--server {url} cannot be reached: {error}; is nas-serve running there?") from error
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
    said = told.get("detail") or f"it answered {answer.status_code}, which no nas-serve does"
    raise BadOption(f"the service at {url} refuses: {said}")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BadOption(
            f"--token-file {path} cannot be read: {why}; give the file of the token's text"
        ) from error


def _shown(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that shows the token, where there is one."""
    token = os.environ.get(TOKEN, "")
    if given.get("token_file") is not None:
        token = _read(Path(given["token_file"]))
    check(token.isascii() and len(token.split()) <= 1, "the token is one word of letters, digits, - and _")
    return {"authorization": f"Bearer {token}"} if token else {}
