"""Measure latency with the user's command, on the device that counts: a phone, a board, another runtime.

The trainer exports the untrained network, and the command gets its file and prints milliseconds. Everything
runs on the orchestrator's machine, one network at a time.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.executors import ExecutorError, Job
from orchestrator.executors._process.slots import CPU_ONLY, trial_environment
from orchestrator.executors._process.supervised import SupervisedJob, run_supervised
from orchestrator.spec.search_options import PROGRAMS, SearchOptions
from orchestrator.trainer_client import Stopped
from orchestrator.trial import metrics
from orchestrator.trial.latency import Latency, LatencyFailed

COMMAND_SECONDS = 300.0  # after which the command, with all its processes, is killed
_EXPORT_SECONDS = 300.0
_MOST_OUTPUT = 1 << 20  # bytes
_MOST_MILLISECONDS = 1e9


class _NotMeasured(Exception):
    """A network has no latency; the message says why."""


@dataclass(frozen=True)
class CommandLatency:
    """Measures networks with --latency-command.

    base: the configuration of the base network, which must be measurable; folder: the study's
    note: shows a line to the user
    """

    base: Mapping[str, Any]
    request: SearchOptions
    folder: Path
    stop: threading.Event
    note: Callable[[str], None]
    seconds: float = COMMAND_SECONDS

    def measure(self, configs: Sequence[Mapping[str, Any]]) -> list[Latency]:
        """Return the latency of each network, or why it has none.

        If the last of them fails, the base is measured once more: if it fails too, the command or its device
        does, and not the networks. Raise LatencyFailed then, and Stopped.
        """
        found = list[Latency]()
        for place, config in enumerate(configs, 1):
            self.note(f"latency: the command measures network {place} of {len(configs)}")
            found.append(self._measure_or_tell(config))
        if found and found[-1].failure:
            self.note("latency: the command failed; it measures the base network again")
            self._measure_or_tell(self.base)
        return found

    def _measure_or_tell(self, config: Mapping[str, Any]) -> Latency:
        try:
            return Latency(self._measure(config))
        except _NotMeasured as error:
            if config == self.base:
                raise self._failed(error) from error
            return Latency(None, failure=f"latency not measured: {error}")

    def _failed(self, error: _NotMeasured) -> LatencyFailed:
        return LatencyFailed(
            f"the latency of the base network could not be measured: {error}; fix that and run the same "
            "command again, or omit --latency-command"
        )

    def _measure(self, config: Mapping[str, Any]) -> float:
        """Return milliseconds. Raise _NotMeasured or Stopped."""
        folder = self.folder / "latency"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "network.json").write_text(json.dumps(config, indent=1) + "\n")
        words = self.request.latency_words
        for name in PROGRAMS:
            if any(f"{{{name}}}" in word for word in words):
                file = folder / f"network.{name}"
                self._export(folder, file, name)
                words = tuple(word.replace(f"{{{name}}}", str(file)) for word in words)
        job = self._job(words, Path.cwd(), folder / "command", self.seconds)
        self._run(job, dict(os.environ), "the command failed")
        try:
            return read_milliseconds(job.stdout.read_text(encoding="utf-8", errors="replace"))
        except ValueError as error:
            raise _NotMeasured(f"the command printed {error}; see {job.stdout}") from error

    def _export(self, folder: Path, file: Path, to: str) -> None:
        file.unlink(missing_ok=True)
        options = ("--config", str(folder / "network.json"), "--to", to, "--output", str(file))
        words = (*self.request.trainer_command, "export", *options, "--json")
        job = self._job(words, folder, folder / "export", _EXPORT_SECONDS)
        self._run(job, trial_environment(CPU_ONLY), "the trainer could not export the network")
        if not file.is_file():
            raise _NotMeasured(f"the trainer exported no {file.name}; see {job.stderr}")

    def _job(self, words: tuple[str, ...], folder: Path, output: Path, seconds: float) -> Job:
        return Job(
            command=words,
            folder=folder,
            stdout=output.with_suffix(".out"),
            stderr=output.with_suffix(".log"),
            timeout_seconds=seconds,
            memory_bytes=self.request.limits.memory_bytes,
            stdout_bytes=_MOST_OUTPUT,
        )

    def _run(self, job: Job, environment: Mapping[str, str], otherwise: str) -> None:
        """Run a job to its end. Raise Stopped, and _NotMeasured, which says `otherwise`, if it fails."""
        try:
            end = run_supervised(SupervisedJob(job, environment, self.stop.is_set))
        except ExecutorError as error:
            raise _NotMeasured(f"{otherwise}: {error}") from error
        if end.reason == "stopped":
            raise Stopped
        if end.reason == "timeout":
            raise _NotMeasured(f"{otherwise}: it did not end within {job.timeout_seconds:g} s")
        if end.reason != "exited" or end.code != 0:
            said = end.said or metrics.last_line(job.stderr) or "it printed no reason"
            raise _NotMeasured(f"{otherwise} (exit code {end.code}): {said}; see {job.stderr}")


def read_milliseconds(printed: str) -> float:
    """Return what a command printed: its last line that is a number, or a JSON object with `milliseconds`.

    Other lines do not count. Raise ValueError without such a line, and for one without milliseconds above 0.
    """
    lines = [line for line in map(str.strip, printed.splitlines()) if line]
    for line in reversed(lines):
        for value in _values(line):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 < value <= _MOST_MILLISECONDS:
                raise ValueError(f"{line[:100]!r}, which has no milliseconds above 0")
            return float(value)
    raise ValueError(
        "no line that is a number of milliseconds, or a JSON object with `milliseconds`; "
        f"its last line is {lines[-1][:100]!r}"
        if lines
        else "nothing"
    )


def _values(line: str) -> list[Any]:
    """Return the value of a line that is in one of the two forms, as the only item."""
    if "_" not in line:  # Python reads 1_0 as 10
        with suppress(ValueError):
            return [float(line)]
    with suppress(ValueError, RecursionError):
        read = json.loads(line)
        return [read["milliseconds"]] if isinstance(read, dict) and "milliseconds" in read else []
    return []
