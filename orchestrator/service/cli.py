"""`nas-serve`: serve the results database of a folder of runs, and run searches in that folder."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.client import is_loopback
from orchestrator.service import app, auth
from orchestrator.service.clients import Network
from orchestrator.service.settings import Settings
from orchestrator.spec import provenance
from orchestrator.spec.options import BadOption, check
from results import terminal
from results.errors import StoreError


def _serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but a loopback address requires a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)
    ] = 8420,
    runs: Annotated[Path, typer.Option(help="Folder for the trials' files.")] = Path("runs"),
    db: Annotated[
        str | None,
        typer.Option(
            help="Results database: an SQLite file or an SQLAlchemy URL. [RUNS/results.db]", envvar="NAS_DB"
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token's hash. [RUNS/.service/token, if it exists]")
    ] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Create a token, print it once, and exit.")
    ] = False,
    at_a_time: Annotated[
        int, typer.Option(help="Searches that run at a time; others wait in the queue.", min=1)
    ] = 1,
    host_name: Annotated[
        list[str] | None, typer.Option(help="Another host name to accept in requests. Repeatable.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network of a proxy whose X-Forwarded-For header is trusted. Repeatable.",
            metavar="ADDRESS",
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder that npz:FILE and folder:PATH of a search must be in. [none: neither is allowed]"
        ),
    ] = None,
    data_folder: Annotated[
        Path | None, typer.Option(help="Folder for downloaded data sets. [the user's cache]")
    ] = None,
    trainer: Annotated[
        str | None, typer.Option(help="Command of a trainer of your own, used for every search.")
    ] = None,
) -> None:
    """Serve a web page and a REST API for the searches in a folder, and run searches from a queue.

    Searches started on the command line in the same folder appear here, and the other way round.
    Stopping the service does not stop its searches.
    """
    try:
        folder = runs.resolve()
        db = db or str(folder / "results.db")
        token_path = token_file or folder / ".service" / "token"
        provenance.refuse_clashes()
        if new_token:
            _print_token(token_path)
            return
        settings = Settings(
            runs=folder,
            database=db if "://" in db else str(Path(db).resolve()),
            host=host,
            port=port,
            names=tuple(name.lower() for name in host_name or ()),
            proxies=tuple(map(_parse_proxy, trusted_proxy or ())),
            token_hash=auth.read(token_path) if token_file or token_path.exists() else None,
            trainer=trainer,
            data_root=data_root and data_root.resolve(),
            data_folder=data_folder and data_folder.resolve(),
            at_a_time=at_a_time,
        )
        run(settings)
    except (BadOption, StoreError, OSError, provenance.Clash) as error:
        print(terminal.strip_escapes(f"nas-serve: {' '.join(str(error).split())}"), file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None


def run(settings: Settings) -> None:
    """Serve until a signal ends it. Raise BadOption, StoreError or OSError if it cannot start."""
    check(
        settings.token_hash is not None or is_loopback(settings.host),
        f"--host {settings.host} can be reached from other machines; create a token with nas-serve "
        "--new-token",
    )
    with app.open_service(settings) as state, app.listen(settings.host, settings.port) as listening:
        port = listening.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        asked = "requests need the token" if settings.token_hash else "every user of this machine may use it"
        print(f"serving {settings.runs} at http://{shown}:{port}; {asked}", flush=True)  # noqa: T201
        app.server(state).run(sockets=[listening])


def _parse_proxy(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadOption(
            f"--trusted-proxy {text} is not an address; give the proxy's, like 10.0.0.2 or 10.0.0.0/24"
        ) from None


def _print_token(path: Path) -> None:
    print(auth.make(path))  # noqa: T201
    hint = f"only its hash is kept, in {path}; send it as: authorization: Bearer TOKEN"
    print(hint, file=sys.stderr)  # noqa: T201


def main() -> None:
    """The entry point `nas-serve`."""
    terminal.prepare()
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(_serve)
    program()
