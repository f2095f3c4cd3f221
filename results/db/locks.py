"""Locks between processes: one orchestrator per study, one process that creates or migrates a database.

They are advisory locks on an open file (or a server connection); that a file exists locks nothing. A killed
process releases its lock at once. A forked child shares its parent's open files, so it keeps the lock while
it lives.
"""

import base64
import fcntl
import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, text

from results.db.connection import explain_errors, sessions, sqlite_file
from results.db.transactions import patient
from results.errors import ServerLost, StoreUnavailable, StudyLocked, StudyLost

UNSIGNED_SECONDS = 5.0  # an empty lock file older than this was left by a kill or a power cut
GPU_LOCKS = Path("/tmp/nomad-nas-locks")  # not TMPDIR, which differs from user to user and job to job
_LONGEST_NAME = 160  # bytes of a study's in a file's name, of which a disk takes 255
_FILE = "file"  # the lock's own number, by which a copy of a held lock is recognised
_GHOST_SECONDS = 10.0  # for a server to end a broken session of ours


def gpu_lock_folder() -> Path:
    """Return the folder of the locks with which studies share this machine's GPUs."""
    return Path(os.environ.get("NOMAD_NAS_LOCK_FOLDER") or GPU_LOCKS)


class Lock(Protocol):
    """The lock of a study."""

    def look(self) -> None:
        """Take the lock again if it was lost. Raises StudyLost if another process has it by now."""

    def close(self) -> None:
        """Release the lock."""


@contextmanager
def study_lock(url: URL, study: str) -> Iterator[Lock]:
    """Lock a study of the database at `url` for this process.

    SQLite: a lock on the file `DATABASE.STUDY.lock`. PostgreSQL: an advisory lock, across machines, which is
    lost with its connection: call `look` every few seconds. Raises StudyLocked, which names the holder.
    """
    path = sqlite_file(url)
    with closing(_ServerLock(url, study) if path is None else _FileLock(_beside(path, study), study)) as held:
        yield held


def file_name(study: str) -> str:
    """Return the study's name as part of a file name: as it is, or its digest if it is too long."""
    quoted = quote(study, safe="")
    return quoted if len(quoted) <= _LONGEST_NAME else hashlib.sha256(study.encode()).hexdigest()


def _beside(path: Path, study: str) -> Path:
    return Path(f"{path}.{file_name(study)}.lock")


class _FileLock:
    def __init__(self, path: Path, study: str) -> None:
        self._path, self._study = path, study
        self._handle = self._take()

    def _take(self) -> int:
        handle = _try(self._path)
        if handle is None:
            raise StudyLocked(refusal(self._study, _holder(self._path)))
        os.ftruncate(handle, 0)
        signed = {**signature(os.getpid()), _FILE: str(os.fstat(handle).st_ino)}
        os.pwrite(handle, json.dumps(signed).encode(), 0)
        return handle

    def look(self) -> None:
        if _is_still(self._path, self._handle):
            return
        try:  # somebody has removed the file
            taken = self._take()
        except StudyLocked as error:
            raise StudyLost(lost(self._study)) from error
        os.close(self._handle)
        self._handle = taken

    def close(self) -> None:
        if _is_still(self._path, self._handle):
            self._path.unlink(missing_ok=True)  # while still locked: nobody else can hold this name
        os.close(self._handle)


def holder(url: URL, study: str) -> dict[str, str] | None:
    """Return who runs the study: `pid`, `host` and `since`, empty if not known yet; None if nobody does.

    The lock is not taken, so that a search that starts now does not find the study locked. A process on
    another machine of a shared disk is assumed to be alive.
    """
    path = sqlite_file(url)
    if path is None:
        with explain_errors(url):
            return _server_holder(sessions(url), study) or None
    try:
        held = _holder(_beside(path, study)) if _beside(path, study).exists() else None
        if held == {} and abs(time.time() - _beside(path, study).stat().st_mtime) > UNSIGNED_SECONDS:
            return None
    except OSError:  # no name for a file, or gone
        return None
    return held if not held or _lives(held) else None


def _lives(held: dict[str, str]) -> bool:
    """Whether the process exists, and is not a later one with the same number."""
    if held["host"] != socket.gethostname():
        return True
    try:
        os.kill(int(held["pid"]), 0)
    except PermissionError:
        return True
    except OSError:
        return False
    if "mark" in held:
        return _mark(held["pid"]) == held["mark"]
    return "begun" not in held or _begun(held["pid"]) == held["begun"]  # signed by an earlier version


def send_signal(held: Mapping[str, str], number: int) -> bool:
    """Send the signal to the process that holds a lock; return False if it may not be alive on this machine.

    Its number alone may belong to another process by now: after a reboot, or on a machine with the same name.
    Raise OSError if the process is another user's, or if the system (Linux before 5.3) cannot do this.
    """
    if not held.get("mark"):  # an earlier version's
        return False
    try:
        process = os.pidfd_open(int(held["pid"]))
    except ProcessLookupError:
        return False
    try:
        if _mark(held["pid"]) != held["mark"]:  # looked at when no later process can be sent the signal
            return False
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return True


def _begun(pid: str) -> str:
    """Return when the process started, in clock ticks since boot; empty without /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _mark(pid: str) -> str:
    """Return eight letters that distinguish a process from any other on any machine and boot.

    They are made of its start, the boot, and the namespace of its number, since containers may share a boot
    and a host name. Empty without /proc. An application_name of PostgreSQL has room for no more.
    """
    begun = _begun(pid)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        told = f"{boot} {os.readlink('/proc/self/ns/pid')} {begun}"
    except OSError:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(told.encode()).digest()[:6]).decode() if begun else ""


@contextmanager
def preparation_lock(path: Path, wait_seconds: float) -> Iterator[None]:
    """Lock the SQLite file at `path` while it is created or migrated, after waiting for others that do so.

    Raises StoreUnavailable if the wait is too long.
    """
    lock = Path(f"{os.path.realpath(path)}.lock")
    end = time.monotonic() + wait_seconds
    while (handle := _try(lock)) is None:
        if time.monotonic() > end:
            raise StoreUnavailable(
                f"another process kept {lock} locked for {wait_seconds:.0f} s; end it, or try again"
            )
        time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _try(path: Path) -> int | None:
    """Return the descriptor of the file, now locked; None if another process holds it."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot create {path}: {error.strerror}; make its folder writable, or give another --db"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if _is_still(path, handle):
            return handle
        os.close(handle)  # its last holder removed the file between our opening and locking it


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def signature(pid: int) -> dict[str, str]:
    """Return what a process of this machine writes into its lock."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    held = {"pid": str(pid), "host": socket.gethostname(), "since": now}
    return {**held, "begun": _begun(str(pid)), "mark": _mark(str(pid))}


def _holder(path: Path) -> dict[str, str]:
    """Return who holds the lock; empty if it was taken just now and is not signed yet."""
    try:
        held: dict[str, str] = json.loads(path.read_text())
        own = str(path.stat().st_ino)
    except (FileNotFoundError, ValueError):
        return {}
    is_signed = isinstance(held, dict) and {"pid", "host", "since"} <= set(held)
    return held if is_signed and held.get(_FILE, own) == own else {}


def refusal(study: str, holder: dict[str, str]) -> str:
    """Return a message that says who runs a study, as far as that is known, and what to do."""
    if not holder:
        return f"study {study!r} is running in another process; wait for it, or give another --study name"
    pid, host, since = holder["pid"], holder["host"], holder["since"]
    if pid == str(os.getpid()) and host == signature(os.getpid())["host"]:
        return f"study {study!r} is running in this process since {since}; wait for it"
    return (
        f"study {study!r} is running in process {pid} on {host} since {since}; "
        f"wait for it, stop it (kill {pid}), or give another --study name"
    )


def lost(study: str) -> str:
    """Return a message that another process has a study that this one had, and what to do."""
    return (
        f"study {study!r} was taken over by another process after this one had lost its lock (its connection "
        "broke, or the lock file was removed); its trainings were ended and are not recorded: leave the "
        "study to the other process"
    )


class _ServerLock:
    def __init__(self, url: URL, study: str) -> None:
        self._engine, self._study, me = sessions(url), study, signature(os.getpid())
        # PostgreSQL keeps 63 characters
        self._signed = f"nomad-nas {me['pid']} {me['host'][:18]} {me['since'][:16]}Z {me['mark']}"
        self._session: tuple[int, datetime] | None = None  # that the lock was taken in last
        self._connection: Connection | None = patient(self._take)()

    def _take(self) -> Connection:
        with explain_errors(self._engine.url):
            connection = self._engine.connect()
            try:
                if self._is_taken(connection):
                    return connection
                holder = _server_holder(self._engine, self._study)
            except BaseException:
                connection.close()
                raise
        connection.close()
        raise StudyLocked(refusal(self._study, holder))

    def _is_taken(self, connection: Connection) -> bool:
        """Take the lock, also from a broken session of this process; return whether that succeeded."""
        connection.execute(_SIGN, {"name": self._signed})
        connection.execute(_STAY)
        end = time.monotonic() + _GHOST_SECONDS
        while not connection.execute(_LOCK, {"key": _key(self._study)}).scalar_one():
            ghost = self._session and dict(zip(("pid", "start"), self._session, strict=True))
            if not ghost or time.monotonic() > end or not connection.execute(_END, ghost).scalar():
                return False
            time.sleep(0.1)
        row = connection.execute(_WHICH).one()
        self._session = (row.pid, row.backend_start)
        return True

    def look(self) -> None:
        if self._connection is not None and self._is_held(self._connection):
            return
        self.close()
        try:
            self._connection = self._take()
        except StudyLocked as error:
            raise StudyLost(lost(self._study)) from error

    def _is_held(self, connection: Connection) -> bool:
        try:
            with explain_errors(self._engine.url):
                return bool(connection.execute(_HELD, {"key": _key(self._study)}).scalar_one())
        except ServerLost:
            return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


_SIGN = text("SELECT set_config('application_name', :name, false)")
# a session that waits is not ended for that; the setting is new in PostgreSQL 14
_STAY = text("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'")
_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_WHICH = text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :start"
)
_OF_KEY = (
    " locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32) | objid::bigint = :key"
)
_HELD = text(f"SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND{_OF_KEY})")
_HOLDER = text(f"SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE{_OF_KEY}")


def _server_holder(engine: Engine, study: str) -> dict[str, str]:
    with engine.connect() as connection:
        signed = connection.execute(_HOLDER, {"key": _key(study)}).scalar_one_or_none()
    parts = (signed or "").split()
    # of an earlier version without a mark
    return (
        dict(zip(("pid", "host", "since", "mark"), parts[1:], strict=False)) if len(parts) in (4, 5) else {}
    )


def _key(study: str) -> int:
    """Return a number of 62 bits for the study, by which PostgreSQL locks."""
    return int.from_bytes(hashlib.sha256(f"nomad-nas {study}".encode()).digest()[:8]) >> 2
