"""One trial on a node of a Ray cluster: the actor that runs it there.

The actor outlives the orchestrator, and answers its calls from several threads. A trial goes on when its
orchestrator is killed, and its result is kept for some time for the next orchestrator. The trial does not
outlive the actor, because it runs below a supervisor, as on the orchestrator's machine.
"""

import hashlib
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from orchestrator.executors import ExecutorError, Job
from orchestrator.executors._process.pipe import Ending
from orchestrator.executors._process.slots import ONE_THREAD, Held
from orchestrator.executors._process.supervised import run_supervised

LINGER_SECONDS = (
    300.0  # for which the files and the result of an ended trial are kept, together with its slot
)
UNBEGUN_SECONDS = 60.0  # for which an actor waits for its trial
CHUNK_BYTES = 2**20
_PATIENCE_SECONDS = 1.0  # for which `look` waits for output
_GLANCE_SECONDS = 0.1


@dataclass(frozen=True)
class Sight:
    """A file that the orchestrator wrote, which tells a node whether it sees the same folder."""

    path: str
    content: str

    def is_seen(self) -> bool:
        try:
            return Path(self.path).read_text() == self.content
        except OSError:
            return False


@dataclass(frozen=True)
class Transfer:
    """A job as it is sent to a node.

    `files`: contents of the files in the folder `root` of the orchestrator, by relative path; None if the
    node sees that folder itself. `needed`: files that the node must have itself.
    """

    job: Job
    identity: str
    root: Path
    files: Mapping[str, bytes] | None
    needed: tuple[str, ...]
    python: str  # the orchestrator's, which the node replaces by its own
    on_gpu: bool


@dataclass(frozen=True)
class Greeting:
    """An actor's host, what it runs (None: nothing yet), and whether it sees the orchestrator's folder."""

    host: str
    gpus: str
    running: str | None
    sees_folder: bool


@dataclass(frozen=True)
class Status:
    """A trial's output since the last call; `ending` is set once all output has been returned."""

    out: bytes
    err: bytes
    has_started: bool
    seconds: float  # since it began
    refused: str | None = None
    ending: Ending | None = None


def lacking(command: Sequence[str], needed: Sequence[str]) -> str | None:
    """Return what this machine lacks to run `command`; None if it lacks nothing."""
    missing = [path for path in needed if not Path(path).exists()]
    if missing:
        return f"there is no {missing[0]} on {socket.gethostname()}; put it at the same path on every node"
    if ("-m", "trainer") in pairwise(command) and importlib.util.find_spec("torch") is None:
        return f"there is no torch on {socket.gethostname()}; install nomad-nas there"
    return None


class TrialActor:
    """The actor. Every method may be called while another one waits.

    leave: ends the process when no orchestrator has asked for the trial for some time; None if the process is
    not the actor's own
    """

    def __init__(self, leave: Callable[[], object] | None = None) -> None:
        self._stop = threading.Event()
        self._began: float | None = None
        self._ended: float | None = None
        self._has_started = False
        self._refused: str | None = None
        self._ending: Ending | None = None
        self._parcel: Transfer | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="nomad-nas-"))
        self._heard = time.monotonic()
        if leave is not None:
            threading.Thread(target=self._leave_when_forgotten, args=(leave,), daemon=True).start()

    def hello(self, sight: Sight) -> Greeting:
        self._heard = time.monotonic()
        running = self._parcel.identity if self._parcel else None
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return Greeting(socket.gethostname(), gpus, running, sight.is_seen())

    def begin(self, parcel: Transfer) -> None:
        """Start the trial, unless it runs already."""
        self._heard = time.monotonic()
        if self._parcel is not None:
            return
        self._parcel, self._began = parcel, time.monotonic()
        for stream in ("out", "err"):
            (self._folder / stream).touch()
        threading.Thread(target=self._run, args=(parcel,), daemon=True).start()

    def look(self, out_offset: int, err_offset: int) -> Status:
        """Wait a moment for more output or the end, and return the status."""
        assert self._began is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        has_started = self._has_started
        while True:
            is_over = self._ended is not None  # before reading: nothing is printed after the end
            out, err = self.printed("out", out_offset), self.printed("err", err_offset)
            has_news = bool(out or err or is_over) or self._has_started != has_started
            if has_news or time.monotonic() > deadline:
                seconds = (self._ended or time.monotonic()) - self._began
                look = Status(out, err, self._has_started, seconds)
                is_all = is_over and not out and not err
                return replace(look, refused=self._refused, ending=self._ending) if is_all else look
            time.sleep(_GLANCE_SECONDS)

    def printed(self, stream: str, offset: int) -> bytes:
        """Return the next part of the kept stream `out` or `err`."""
        self._heard = time.monotonic()
        return _read(self._folder / stream, offset)

    def digest(self, stream: str) -> str:
        with (self._folder / stream).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def stop(self) -> None:
        self._stop.set()

    def changed(self) -> list[str]:
        """Return the relative paths of the files that the trial created or changed."""
        assert self._parcel is not None
        sent = self._parcel.files
        if sent is None:
            return []
        files = [path for path in self._root.rglob("*") if path.is_file() and not path.is_symlink()]
        names = [str(path.relative_to(self._root)) for path in files]
        return [name for name in names if not _is(self._root / name, sent.get(name))]

    def fetch(self, name: str, offset: int) -> bytes:
        self._heard = time.monotonic()
        return _read(self._root / name, offset)

    def end(self, seconds: float) -> None:
        """Stop the trial, wait for its end, and remove its files; the caller then kills the actor."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        while self._began is not None and self._ended is None and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS)
        self._clear()

    @property
    def _root(self) -> Path:
        return self._folder / "root"

    def _run(self, parcel: Transfer) -> None:
        def started() -> None:
            self._has_started = True

        try:
            problem = lacking(parcel.job.command, parcel.needed)
            if problem:
                raise ExecutorError(problem)
            job = self._placed(parcel)
            self._ending = run_supervised(job, _environment(parcel), Held(), self._stop.is_set, started)
        except (ExecutorError, OSError) as error:
            self._refused = f"{error} (on {socket.gethostname()})"
        finally:
            self._ended = time.monotonic()

    def _placed(self, parcel: Transfer) -> Job:
        """Write the job's files to this node, and return the job with their paths here."""
        words = tuple(sys.executable if word == parcel.python else word for word in parcel.job.command)
        job = replace(parcel.job, command=words, stdout=self._folder / "out", stderr=self._folder / "err")
        if parcel.files is None:
            return job
        for name, content in parcel.files.items():
            path = self._root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        folder = self._root / parcel.job.folder.relative_to(parcel.root)
        folder.mkdir(parents=True, exist_ok=True)
        moved = tuple(_moved(word, parcel.root, self._root) for word in words)
        return replace(job, command=moved, folder=folder)

    def _leave_when_forgotten(self, leave: Callable[[], object]) -> None:
        """Call `leave` when no orchestrator asks any more; also after `end`, whose caller may have died."""
        while not self._is_forgotten():
            time.sleep(1.0)
        self._clear()
        leave()

    def _is_forgotten(self) -> bool:
        silent = time.monotonic() - self._heard
        is_unbegun, is_over = self._parcel is None, self._ended is not None
        return (is_unbegun and silent > UNBEGUN_SECONDS) or (is_over and silent > LINGER_SECONDS)

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _environment(parcel: Transfer) -> dict[str, str]:
    pins = {} if parcel.on_gpu else {"CUDA_VISIBLE_DEVICES": "", **ONE_THREAD}
    return {**os.environ, **pins, "PYTHONUNBUFFERED": "1"}


def _moved(word: str, root: Path, to: Path) -> str:
    """Return a word of a command; if it is a path in `root`, moved to the folder `to`."""
    path = Path(word)
    return str(to / path.relative_to(root)) if path.is_absolute() and path.is_relative_to(root) else word


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK_BYTES)


def _is(path: Path, content: bytes | None) -> bool:
    return content is not None and path.stat().st_size == len(content) and path.read_bytes() == content
