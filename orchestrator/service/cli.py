"""`nas-serve`: serve the results database of a folder of runs, and run searches in that folder."""

from __future__ import annotations

import ipaddress
import re
import sys
from functools import partial
from pathlib import Path

import typer

from orchestrator.cli.client import is_loopback
from orchestrator.cli.options import Given, run_command
from orchestrator.console import json_lines
from orchestrator.service import app, auth
from orchestrator.service.clients import Network
from orchestrator.service.queue_worker import no_one
from orchestrator.service.settings import Settings
from orchestrator.spec import provenance
from orchestrator.spec.command_options import BadOption, LocalPath, check, option
from orchestrator.spec.options import FileOptions
from results import file_names, terminal
from results.errors import StoreError

_service = partial(option, "The service", set_by="owner")


class ServeOptions(FileOptions):
    """Serve a web page and a REST API for the searches in a folder, and run searches from a queue.

    Searches started on the command line in the same folder appear here, and the other way round. Stopping
    the service does not stop its searches.
    """

    program = "nas-serve"
    ten = (
        *("runs", "host", "port", "new_token", "token_file", "at_a_time", "data_root", "data_folder"),
        *("trainer", "db"),
    )
    examples = (
        "nas-serve",
        "nas-serve --runs ~/runs --data-root ~/photos --at-a-time 2",
        "nas-serve --new-token --host 0.0.0.0",
    )

    host: str = _service("Address to listen on. Any but a loopback address requires a token.", "127.0.0.1")
    port: int = _service("Port to listen on; 0 picks a free one.", 8420, ge=0, le=65535)
    token_file: LocalPath | None = _service("File with the token's hash. [RUNS/.service/token, if it exists]")
    new_token: bool = _service("Create a token, print it once, and exit.", False, set_by="command")
    at_a_time: int = _service("Searches that run at a time; others wait in the queue.", 1, ge=1)
    host_name: tuple[str, ...] = _service("Another host name to accept in requests. Repeatable.", ())
    trusted_proxy: tuple[str, ...] = _service(
        "Address or network of a proxy whose X-Forwarded-For header is trusted. Repeatable.", ()
    )
    root_path: str = _service(
        "Path below which a proxy serves the page and the API, such as /nas. [none]", ""
    )
    data_root: LocalPath | None = _service(
        "Folder that npz:FILE, folder:PATH and csv:FILE of a search must be in. [none: none is allowed]"
    )
    trainer: str | None = _service("Command of a trainer of your own, used for every search.")
    on_end: str | None = _service(
        "Command to run when a search ends, fails or is stopped, with NAS_STUDY, NAS_STATE and NAS_SUMMARY "
        "in its environment (docs/usage.md)."
    )


def _serve(given: Given) -> None:
    try:
        provenance.refuse_clashes()
        asked = ServeOptions.resolve(given)
        kept = asked.token_file or asked.runs.resolve() / file_names.SERVICE / "token"
        if asked.new_token:
            _print_token(kept, asked.as_json)
        else:
            run(_settings(asked, kept), asked.as_json)
    except (BadOption, StoreError, OSError, provenance.Clash) as error:
        line = terminal.strip_escapes(" ".join(str(error).split()))
        print(f"nas-serve: {line}", file=sys.stderr)  # noqa: T201
        if given.get("json"):
            json_lines.emit_end(2, line)
        raise typer.Exit(2) from None


def _settings(asked: ServeOptions, kept: Path) -> Settings:
    """Return the service's settings: paths made absolute, and the token's hash read."""
    return Settings(
        runs=asked.runs.resolve(),
        database=_database(asked.database),
        host=asked.host,
        port=asked.port,
        root_path=_parse_root_path(asked.root_path),
        names=tuple(map(str.lower, asked.host_name)),
        proxies=tuple(map(_parse_proxy, asked.trusted_proxy)),
        token_hash=auth.read(kept) if asked.token_file or kept.exists() else None,
        trainer=asked.trainer,
        on_end=asked.on_end,
        data_root=asked.data_root and asked.data_root.resolve(),
        data_folder=asked.data_folder and asked.data_folder.resolve(),
        at_a_time=asked.at_a_time,
    )


def run(settings: Settings, as_json: bool = False) -> None:
    """Serve until a signal ends it. Raise BadOption, StoreError or OSError if it cannot start."""
    tell = json_lines.emit if as_json else no_one
    check(
        settings.token_hash is not None or is_loopback(settings.host),
        f"--host {settings.host} can be reached from other machines; create a token with nas-serve "
        "--new-token",
    )
    with app.open_service(settings, tell) as state, app.listen(settings.host, settings.port) as listening:
        port = listening.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        asked = "requests need the token" if settings.token_hash else "every user of this machine may use it"
        address, where = f"http://{shown}:{port}{settings.root_path}", sys.stderr if as_json else sys.stdout
        print(f"serving {settings.runs} at {address}; {asked}", file=where, flush=True)
        tell("serving", address=address, runs=str(settings.runs), needs_token=bool(settings.token_hash))
        app.server(state).run(sockets=[listening])


def _parse_root_path(text: str) -> str:
    path = text.rstrip("/")
    check(
        re.fullmatch(r"(/[\w.~-]+)*", path, re.ASCII) is not None,
        f"--root-path {text} is not a path; give one like /nas",
    )
    return path


def _parse_proxy(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadOption(
            f"--trusted-proxy {text} is not an address; give the proxy's, like 10.0.0.2 or 10.0.0.0/24"
        ) from None


def _database(db: str) -> str:
    return db if "://" in db else str(Path(db).resolve())


def _print_token(path: Path, as_json: bool) -> None:
    token = auth.make(path)
    if as_json:
        json_lines.emit("token", token=token, file=str(path))
        json_lines.emit_end(0)
    else:
        print(token)  # noqa: T201
    hint = f"only its hash is kept, in {path}; send it as: authorization: Bearer TOKEN"
    print(hint, file=sys.stderr)  # noqa: T201


def main() -> None:
    """The entry point `nas-serve`."""
    run_command(ServeOptions, _serve)
