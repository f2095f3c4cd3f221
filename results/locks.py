"""Locks between processes: one orchestrator a study, one process that makes or migrates a database.

They are advisory and held by an open file (or a server connection), never by a file's existence: a
killed process lets go at once, and a lock file left behind locks nothing. A child that is forked without
a program of its own shares its parent's open files, and so keeps the lock as long as it lives.
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
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from results.database import explained, sqlite_path
from results.errors import StoreUnavailable, StudyLocked

UNSIGNED_SECONDS = 5.0  # an empty lock file that is older was left by a kill or a power cut
GPU_LOCKS = Path("/tmp/nomad-nas-locks")  # not TMPDIR, which differs from user to user and job to job


def gpu_lock_folder() -> Path:
    """The folder of the locks by which studies share this machine's GPUs."""
    return Path(os.environ.get("NOMAD_NAS_LOCK_FOLDER") or GPU_LOCKS)


@contextmanager
def study_lock(url: URL, study: str) -> Iterator[None]:
    """Hold a study of the database at `url`; one process can.

    SQLite: a lock on the file `DATABASE.STUDY.lock`. PostgreSQL: an advisory lock, across machines.
    Raises StudyLocked, naming the process that holds it.
    """
    path = sqlite_path(url)
    held = _server_lock(url, study) if path is None else _file_lock(_beside(path, study), study)
    with held:
        yield


def _beside(path: Path, study: str) -> Path:
    return Path(f"{path}.{quote(study, safe='')}.lock")


@contextmanager
def _file_lock(path: Path, study: str) -> Iterator[None]:
    handle = _try(path)
    if handle is None:
        raise StudyLocked(refusal(study, _holder(path)))
    with _released(handle, path):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(signature(os.getpid())).encode(), 0)
        yield


def holder(url: URL, study: str) -> dict[str, str] | None:
    """Who runs the study: `pid`, `host` and `since`, or nothing known yet; None where nobody does.

    Only looks, so that no search that is about to begin finds the study locked. On another machine of a
    shared disk a process is taken to be alive.
    """
    path = sqlite_path(url)
    if path is None:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with explained(url):
            return _server_holder(engine, study) or None
    try:
        held = _holder(_beside(path, study)) if _beside(path, study).exists() else None
        if held == {} and abs(time.time() - _beside(path, study).stat().st_mtime) > UNSIGNED_SECONDS:
            return None
    except OSError:  # no name for a file, or gone
        return None
    return held if not held or _lives(held) else None


def _lives(held: dict[str, str]) -> bool:
    """Whether the process is there, and is no later one that was given the same number."""
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


def signalled(held: Mapping[str, str], number: int) -> bool:
    """Send the signal to the process that signed; False, and nothing is sent, unless it certainly lives here.

    A number alone may meanwhile be another process's: after a reboot, or on another machine of the same name.
    Raise OSError where the process is another user's, or the system (Linux before 5.3) cannot do this.
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
    """When the process began, in clock ticks since boot, which no change of the clock moves.

    Empty where no /proc tells.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _mark(pid: str) -> str:
    """What tells the process of that number from any other, of other machines and other boots as well.

    Made of when it began, the boot, and what its number counts in: containers may share a boot and a host
    name. Empty where no /proc tells. Eight letters, for an application_name of PostgreSQL has 63.
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
    """Hold the making and migrating of the SQLite file at `path`, waiting for a process that does the same.

    Raises StoreUnavailable when the wait is over.
    """
    lock = Path(f"{path}.lock")
    end = time.monotonic() + wait_seconds
    while (handle := _try(lock)) is None:
        if time.monotonic() > end:
            raise StoreUnavailable(
                f"another process kept {lock} locked for {wait_seconds:.0f} s; end it, or try again"
            )
        time.sleep(0.01)
    with _released(handle, lock):
        yield


def _try(path: Path) -> int | None:
    """The locked file's descriptor, or None when another process holds it."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot make {path}: {error.strerror}; make its folder writable, or give another --db"
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


@contextmanager
def _released(handle: int, path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while still locked: nobody else can hold this name
        os.close(handle)


def signature(pid: int) -> dict[str, str]:
    """What the process of that number, of this machine, signs with."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    held = {"pid": str(pid), "host": socket.gethostname(), "since": now}
    return {**held, "begun": _begun(str(pid)), "mark": _mark(str(pid))}


def _holder(path: Path) -> dict[str, str]:
    """Who holds the lock; empty where it was taken this instant and is not signed yet."""
    try:
        held: dict[str, str] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) and {"pid", "host", "since"} <= set(held) else {}


def refusal(study: str, holder: dict[str, str]) -> str:
    """Say who runs a study, as far as that is known, and what to do."""
    if not holder:
        return f"study {study!r} is being run by another process; wait for it, or give another --study name"
    pid, host, since = holder["pid"], holder["host"], holder["since"]
    return (
        f"study {study!r} is being run by process {pid} on {host} since {since}; "
        f"wait for it, stop it (kill -INT {pid}), or give another --study name"
    )


@contextmanager
def _server_lock(url: URL, study: str) -> Iterator[None]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with explained(url), engine.connect() as connection:
        me = signature(os.getpid())
        # PostgreSQL keeps 63 characters
        signed = f"nomad-nas {me['pid']} {me['host'][:18]} {me['since'][:16]}Z {me['mark']}"
        connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": signed})
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(study)}
        ).scalar_one()
        if not taken:
            raise StudyLocked(refusal(study, _server_holder(engine, study)))
        yield


def _server_holder(engine: Engine, study: str) -> dict[str, str]:
    query = text(
        "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32) | objid::bigint = :key"
    )
    with engine.connect() as connection:
        signed = connection.execute(query, {"key": _key(study)}).scalar_one_or_none()
    parts = (signed or "").split()
    # of an earlier version without a mark
    return (
        dict(zip(("pid", "host", "since", "mark"), parts[1:], strict=False)) if len(parts) in (4, 5) else {}
    )


def _key(study: str) -> int:
    """A number of 62 bits for the study: what PostgreSQL locks by."""
    return int.from_bytes(hashlib.sha256(f"nomad-nas {study}".encode()).digest()[:8]) >> 2
