"""A PostgreSQL server of the tests' own, where its programs are installed, and a wire to cut on the way."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, text

_QUICK = "-c fsync=off -c full_page_writes=off -c max_connections=40 -c shared_buffers=8MB"


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, the newest there is."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    return Path(on_path).parent if on_path else found[-1].parent if found else None


class Server:
    """A server on a free port of this machine, with its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # PostgreSQL refuses to run as root
        self._user = next((name for name in ("postgres", "nobody") if _is_known(name)), None)
        self._user = self._user if os.getuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "tests", "--no-sync")
        self.start()

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"nas_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement, outside any transaction, and return its rows."""
        url = f"postgresql+psycopg://tests@127.0.0.1:{self.port}/postgres"
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def cut_locks(self) -> int:
        """End the sessions that hold studies' locks, as a pooler or a firewall would; how many there were."""
        ours = "FROM pg_stat_activity WHERE application_name LIKE 'nomad-nas%'"
        ended = self.execute(f"SELECT pg_terminate_backend(pid), pid {ours}")
        for _, pid in ended:
            while self.execute(f"SELECT pid FROM pg_stat_activity WHERE pid = {pid}"):
                time.sleep(0.02)  # a session that is told to end lets go of its lock a moment later
        return len(ended)

    def start(self) -> None:
        options = f"-p {self.port} -k '' -h 127.0.0.1 {_QUICK}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "fast", "-w", "stop")

    def _run(self, program: str, *words: str) -> None:
        folder = programs()
        assert folder is not None
        subprocess.run(
            [folder / program, *words], check=True, user=self._user, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def _is_known(user: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False


@contextmanager
def server() -> Iterator[Server]:
    """A server until the block ends. Its folder is none of pytest's, which another user cannot enter."""
    folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
    try:
        started = Server(folder)
        yield started
        started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Wire:
    """A port of this machine that leads to a server, and loses the next COMMIT where it is told to."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._kept: list[socket.socket] = []
        self.loses: str | None = None  # 'question': it never arrives; 'answer': the server commits unheard
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for held in (self._listening, *self._kept):
            held.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                theirs, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(theirs,), daemon=True).start()

    def _carry(self, theirs: socket.socket) -> None:
        with suppress(OSError), theirs, socket.create_connection(("127.0.0.1", self._to)) as ours:
            threading.Thread(target=self._answer, args=(ours, theirs), daemon=True).start()
            while words := theirs.recv(65536):
                lost = self.loses if b"COMMIT" in words else None
                if lost is not None:
                    self.loses = None
                if lost == "answer":
                    theirs.shutdown(socket.SHUT_RDWR)
                    ours.sendall(words)
                    time.sleep(0.2)
                if lost:  # the server is not told that nobody listens any more
                    theirs.shutdown(socket.SHUT_RDWR)
                    self._kept.append(ours.dup())
                    return
                ours.sendall(words)

    @staticmethod
    def _answer(ours: socket.socket, theirs: socket.socket) -> None:
        with suppress(OSError):
            while words := ours.recv(65536):
                theirs.sendall(words)
            theirs.shutdown(socket.SHUT_RDWR)
