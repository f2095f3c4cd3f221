"""Settings of a service: what it serves, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.service.clients import Network
from results import file_names


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one client."""

    body_bytes: int = 64 * 1024
    per_second: float = 50.0  # requests of one address, in the long run
    burst: int = 200  # and at once
    wrong_tokens: int = 10  # of one address at once; one more every 10 s
    patience_seconds: float = 10.0  # for a request to arrive whole
    send_seconds: float = 30.0  # for a client to take a piece of what it is sent
    piece_bytes: int = 64 * 1024  # of that at a time
    connections: int = 400
    connections_of_one: int = 64  # address
    streams: int = 128
    streams_of_one: int = 32
    queued: int = 100  # searches waiting
    least_free_bytes: int = 100 * 1024**2  # of the disk of runs; /api/health answers 503 below it


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One service. Paths are absolute."""

    runs: Path
    database: str
    host: str = "127.0.0.1"
    port: int = 8420
    root_path: str = ""  # the path before all addresses, as clients of a proxy see them: "/nas"
    names: tuple[str, ...] = ()  # host names it answers to, beside the loopback's
    proxies: tuple[Network, ...] = ()  # whose X-Forwarded-For is trusted
    token_hash: str | None = None  # None: everyone who can reach the port may do everything
    trainer: str | None = None
    on_end: str | None = None  # the command that is run when a search ends
    data_root: Path | None = None
    data_folder: Path | None = None
    at_a_time: int = 1
    limits: Limits = field(default_factory=Limits)

    @property
    def own(self) -> Path:
        """The folder of the service's own files. No study can have its name."""
        return self.runs / file_names.SERVICE
