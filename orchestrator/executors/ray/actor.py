"""One trial on a node of a Ray cluster: the actor that runs it there.

The actor outlives the orchestrator, and answers its calls from several threads. A trial goes on when its
orchestrator is killed, and its result is kept for some time for the next orchestrator. The trial does not
outlive the actor, because it runs below a supervisor, as on the orchestrator's machine.
"""

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
from orchestrator.executors._process.slots import CPU_ONLY, trial_environment
from orchestrator.executors._process.supervised import Ending, SupervisedJob, run_supervised

RESULT_SECONDS = 300.0  # for which an ended trial's files and result are kept, together with its slot
UNBEGUN_SECONDS = 60.0  # for which an actor waits for its trial
CHUNK_BYTES = 2**20
FILES = "files"  # the folder of a trial's files on a node that does not see the trial's own folder
_LOOK_SECONDS = 1.0  # for which `look` waits for output
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Transfer:
    """A job as it is sent to a node.

    `files`: contents of the files in the job's folder, by relative path; None if the node sees that folder
    itself. `needed`: files that the node must have itself.
    """

    job: Job
    identity: str
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


def find_missing(command: Sequence[str], needed: Sequence[str]) -> str | None:
    """Return what is missing on this machine to run `command`; None if nothing is."""
    missing = [path for path in needed if not Path(path).exists()]
    if missing:
        return f"there is no {missing[0]} on {socket.gethostname()}; put it at the same path on every node"
    if ("-m", "trainer") in pairwise(command) and importlib.util.find_spec("torch") is None:
        return f"there is no torch on {socket.gethostname()}; install nomad-nas there"
    return None


class TrialActor:
    """The actor. Every method may be called while another one waits.

    `leave` ends the process when no orchestrator has asked for the trial for some time; None if the process
    is not the actor's own.
    """

    def __init__(self, leave: Callable[[], object] | None = None) -> None:
        self._stop = threading.Event()
        self._began: float | None = None
        self._ended: float | None = None
        self._has_started = False
        self._refused: str | None = None
        self._ending: Ending | None = None
        self._transfer: Transfer | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="nomad-nas-"))
        self._asked_at = time.monotonic()
        if leave is not None:
            threading.Thread(target=self._leave_when_forgotten, args=(leave,), daemon=True).start()

    def hello(self, path: str, content: str) -> Greeting:
        """Return what runs here, and whether `path` has the content that the orchestrator wrote."""
        self._asked_at = time.monotonic()
        running = self._transfer.identity if self._transfer else None
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        try:
            sees_folder = Path(path).read_text() == content
        except OSError:
            sees_folder = False
        return Greeting(socket.gethostname(), gpus, running, sees_folder)

    def begin(self, transfer: Transfer) -> None:
        """Start the trial, unless it runs already."""
        self._asked_at = time.monotonic()
        if self._transfer is not None:
            return
        self._transfer, self._began = transfer, time.monotonic()
        for stream in ("out", "err"):
            (self._folder / stream).touch()
        threading.Thread(target=self._run, args=(transfer,), daemon=True).start()

    def look(self, out_offset: int, err_offset: int) -> Status:
        """Wait a moment for more output or the end, and return the status."""
        assert self._began is not None
        deadline = time.monotonic() + _LOOK_SECONDS
        has_started = self._has_started
        while True:
            is_over = self._ended is not None  # before reading: nothing is printed after the end
            out, err = self.fetch("out", out_offset), self.fetch("err", err_offset)
            has_news = bool(out or err or is_over) or self._has_started != has_started
            if has_news or time.monotonic() > deadline:
                seconds = (self._ended or time.monotonic()) - self._began
                status = Status(out, err, self._has_started, seconds)
                is_all = is_over and not out and not err
                return replace(status, refused=self._refused, ending=self._ending) if is_all else status
            time.sleep(_POLL_SECONDS)

    def fetch(self, name: str, offset: int) -> bytes:
        """Return the next part of a file: `out`, `err`, or a file in FILES."""
        self._asked_at = time.monotonic()
        with (self._folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)

    def stop(self) -> None:
        self._stop.set()

    def changed(self) -> list[str]:
        """Return the paths, relative to FILES, of the files that the trial created or changed."""
        assert self._transfer is not None
        sent, root = self._transfer.files, self._folder / FILES
        if sent is None:
            return []
        files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        names = [str(path.relative_to(root)) for path in files]
        return [name for name in names if not _has_content(root / name, sent.get(name))]

    def end(self, seconds: float) -> None:
        """Stop the trial, wait for its end, and remove its files; the caller then kills the actor."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        while self._began is not None and self._ended is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._clear()

    def _run(self, transfer: Transfer) -> None:
        def started() -> None:
            self._has_started = True

        try:
            problem = find_missing(transfer.job.command, transfer.needed)
            if problem:
                raise ExecutorError(problem)
            job = self._place(transfer)
            environment = trial_environment({} if transfer.on_gpu else CPU_ONLY)
            self._ending = run_supervised(SupervisedJob(job, environment, self._stop.is_set, started))
        except (ExecutorError, OSError) as error:
            self._refused = f"{error} (on {socket.gethostname()})"
        finally:
            self._ended = time.monotonic()

    def _place(self, transfer: Transfer) -> Job:
        """Write the job's files to this node, and return the job with their paths here."""
        command = tuple(sys.executable if word == transfer.python else word for word in transfer.job.command)
        job = replace(transfer.job, command=command, stdout=self._folder / "out", stderr=self._folder / "err")
        if transfer.files is None:
            return job
        folder = self._folder / FILES
        folder.mkdir()
        for name, content in transfer.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return replace(job, command=tuple(_move(word, job.folder, folder) for word in command), folder=folder)

    def _leave_when_forgotten(self, leave: Callable[[], object]) -> None:
        """Call `leave` when no orchestrator asks any more; also after `end`, whose caller may have died."""
        while True:
            time.sleep(1.0)
            silent = time.monotonic() - self._asked_at
            if self._transfer is None and silent > UNBEGUN_SECONDS:
                break
            if self._ended is not None and silent > RESULT_SECONDS:
                break
        self._clear()
        leave()

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _move(word: str, root: Path, to: Path) -> str:
    """Return a word of a command; if it is a path in `root`, moved to the folder `to`."""
    path = Path(word)
    return str(to / path.relative_to(root)) if path.is_absolute() and path.is_relative_to(root) else word


def _has_content(path: Path, content: bytes | None) -> bool:
    return content is not None and path.stat().st_size == len(content) and path.read_bytes() == content
