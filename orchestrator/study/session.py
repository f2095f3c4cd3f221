"""What every run of a study needs: an executor, and a recorded end."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from orchestrator import executors
from orchestrator.console import summary
from orchestrator.executors import ClusterOptions, Executor
from orchestrator.spec.command_options import check
from orchestrator.spec.options import RunOptions
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.study import checks
from orchestrator.trainer_client import Stopped
from orchestrator.trial.folder import put_trials_aside, study_folder
from results.db.store import Store
from results.db.tables import Study
from results.errors import StoreError
from results.terminal import telling_of_loss

_NOTICE_SECONDS = 60.0  # that the command of --on-end may take
_POLL_SECONDS = 0.05
VERSIONS = ("nomad-nas", "torch", "torchvision", "PyNomadBBO", "optuna", "sqlalchemy", "numpy")


def open_executor(request: RunOptions) -> Executor:
    """Return the executor that the user asks for; close it when done. Raise ExecutorError or BadOption.

    It gets the trainer's command, to keep a process ready, unless this is only a plan.
    """
    trainer = () if request.plan else request.trainer_command
    check(
        request.gpu_fraction is None or TrialBudget.parse(request.budget).steps is not None,
        f"--gpu-fraction {request.gpu_fraction} with --budget {request.budget}: trainings that share a GPU "
        "slow each other down, so a budget in seconds would not be fair; give one in steps, like 500steps",
    )
    place = ClusterOptions(**{field.name: getattr(request, field.name) for field in fields(ClusterOptions)})
    return executors.load(request.executor).create(request.device, request.slots, trainer, place)


def put_aside(store: Store, replaced: Study, runs: Path, console: Console) -> None:
    """Move the files of a study that is asked anew aside, and say so. Its rows go when it is opened.

    A kill in between leaves a study of failed trials without their files, which is asked anew like any other.
    """
    rows = store.trials(replaced.id)
    aside = put_trials_aside(study_folder(runs, replaced.name), [row.number for row in rows])
    where = f", their files are in {aside}" if aside else ""
    summary.say(
        console,
        f"{checks.anew_text(replaced)}; trials removed: {len(rows)}{where}",
    )


@contextmanager
def telling_end(
    request: RunOptions, store: Store, name: str, console: Console, stop: threading.Event
) -> Iterator[None]:
    """Run the command of `--on-end` after the block, however that ends. It cannot change the study.

    A kill of this process is not told. stop: ends the command if it is set while that runs
    """
    failure = ""
    try:
        yield
    except BaseException as error:
        failure = " ".join(str(error).split())
        raise
    finally:
        _tell_end(request, store, name, console, stop, failure)


def _tell_end(
    request: RunOptions, store: Store, name: str, console: Console, stop: threading.Event, failure: str
) -> None:
    """Run the command. failure: why the run failed, where the database may not say it"""
    if not request.on_end_words:
        return
    study = None
    with suppress(StoreError):
        study = store.study(name)
    state = study.state if study and study.state != "running" else "failed"
    said = (study.message if study and study.state != "running" else failure) or ""
    told = {"NAS_STUDY": name, "NAS_STATE": state, "NAS_SUMMARY": said.replace("\0", "")}
    stop.clear()  # it may have ended the study; from here on it ends the command
    if why := _run_notice(request.on_end_words, os.environ | told, stop):
        summary.say(console, f"--on-end {why}; the study is as it was")


def _run_notice(words: Sequence[str], environment: Mapping[str, str], stop: threading.Event) -> str:
    """Run the command of `--on-end`; return why it failed, or nothing. All that it started ends in time."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for this process
            )
        except (OSError, ValueError) as error:
            return f"cannot be run: {error}"
        ends_at = time.monotonic() + _NOTICE_SECONDS
        while (code := process.poll()) is None:
            if stop.wait(_POLL_SECONDS) or time.monotonic() > ends_at:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return "was stopped" if stop.is_set() else f"did not end within {_NOTICE_SECONDS:g} s"
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    return f"failed with exit code {code}: {''.join(last)}" if code else ""


@contextmanager
def record_end(store: Store, study: Study, console: Console, before: Study | None) -> Iterator[None]:
    """Record it if a run is stopped or fails; the caller records that it finished.

    A run whose output nobody can read any more goes on, with an event that says so.
    before: the study as the run found it. If it had finished, and the run fails before it starts a trial,
    it is left as it was.
    """

    def note_loss(stream: str, why: str) -> None:
        with suppress(StoreError):  # the search sees the same error when it writes next
            store.note(study.id, "output_lost", {"stream": stream, "why": why})

    begun = _begun(store, study)
    try:
        with telling_of_loss(note_loss):
            yield
    except Stopped:
        store.end_study(study.id, "stopped", "stopped by the user")
        summary.say_stopped(console)
        raise
    except StoreError:
        raise  # the database cannot be written: it keeps the last committed row
    except Exception as error:
        if before is not None and before.state == "finished" and _begun(store, study) == begun:
            store.restore_study(before)
        else:
            store.end_study(study.id, "failed", " ".join(str(error).split()))
        raise


def _begun(store: Store, study: Study) -> list[tuple[int, int]]:
    return [(trial.number, trial.attempts) for trial in store.trials(study.id)]
