"""A trainer made of any training script: it speaks the protocol (docs/trainer-protocol.md) in its place.

    python -P -m trainer.script --config-as words --score accuracy --folder . --script "python train.py" \\
        train --config F

The script gets its settings as `--name=value` words, as a JSON file (its last word) or as environment
variables. Every line of its output that is a JSON object with the score is a measurement, and the last one
is the result. Of very many lines not all are passed on. The script is stopped when its budget is spent.
docs/scripts.md is for its authors.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import platform
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from trainer.errors import DeviceLost, Diverged, InvalidConfig, OutOfMemory, TooShort, TrialError
from trainer.protocol import TRIAL

WAYS = ("words", "file", "environment")
GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL
SETTINGS = "settings.json"  # the file that `--config-as file` writes, beside trial.json
_SILENT_SECONDS = 1.0  # after its end, when a process that it left may still hold its output open
_MOST_NAMES = 8  # of a line without the score, in a message
_KEPT = ("train_loss", "val_loss", "learning_rate")  # besides the score, of a line
_PASSED_ON = (
    500  # lines, while all of them are; from twice as many on every second, of four times every fourth
)
_LARGEST = 1e300  # of numbers: beyond it sums of a few may be infinite
_MEANT_OTHERWISE = {error.exit_code for error in (Diverged, OutOfMemory, TooShort, DeviceLost)}


@dataclass(frozen=True)
class Script:
    """A command, how it gets its settings, and the name of the number that it is searched for.

    folder: where it runs; a machine that does not have it takes the trial's
    is_share: whether the score must be in [0, 1], and not any number
    """

    words: Sequence[str]
    config_as: str
    score: str
    folder: Path
    is_share: bool = True

    @property
    def field(self) -> str:
        """What the protocol calls the score."""
        return f"val_{self.score}" if self.is_share else "score"

    @property
    def named(self) -> str:
        """What a line of the script calls it, of a share first of all."""
        return self.field if self.is_share else self.score

    def score_in(self, told: Mapping[str, Any]) -> float | None:
        """The score in a line of the script, a share also under its own name; None if it has none.

        Raises Diverged for one that is not finite, and InvalidConfig for another that cannot be sought.
        """
        value = told.get(self.named, told.get(self.score))
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not abs(value) <= _LARGEST:
            raise Diverged(f"the script reports {self.score} {str(value)[:40]}")
        if not is_number and not self.is_share:
            raise InvalidConfig(
                f"the script reports {self.score} {value!r:.40}, which is not a number; print one, without "
                "quotes"
            )
        if self.is_share and not (is_number and 0 <= value <= 1):
            raise InvalidConfig(
                f"the script reports {self.score} {value!r}, which is not a share in [0, 1]; report one, "
                f"or search it as any number (--minimise {self.score} or --maximise {self.score})"
            )
        return float(value)

    def progress_in(self, told: Mapping[str, Any]) -> float | None:
        """The progress in a line, if it has one. Raises InvalidConfig for one that is not in [0, 1]."""
        value: float | None = told.get("progress")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= 1):
            raise InvalidConfig(
                f"the script reports progress {value!r}, which is not a share in [0, 1]; report one, or none"
            )
        return value

    def command(self, settings: Mapping[str, Any], folder: Path) -> list[str]:
        """The command line of one training."""
        if self.config_as == "words":
            return [*self.words, *(f"--{name}={value}" for name, value in settings.items())]
        if self.config_as == "file":
            path = folder / SETTINGS
            path.write_text(json.dumps(settings, indent=1) + "\n")
            return [*self.words, str(path)]
        return list(self.words)

    def environment(self, config: Mapping[str, Any], path: Path) -> dict[str, str]:
        """The variables of one training, whose trial.json is at `path`."""
        given = {TRIAL: str(path), "NAS_SEED": str(config["seed"])}
        if (seconds := config["budget"].get("seconds")) is not None:
            given["NAS_BUDGET_SECONDS"] = f"{seconds:g}"
        if self.config_as == "environment":
            given |= {name: str(value) for name, value in config["hyperparameters"].items()}
        return os.environ | given | {"PYTHONUNBUFFERED": "1"}  # so that lines come at once

    def source(self) -> str:
        """A checksum of the files that the command names: a study of another script is another study."""
        content = hashlib.sha256()
        for word in self.words[1:] or self.words:
            if os.path.isfile(word):
                content.update(Path(word).read_bytes())
        return content.hexdigest()[:16]


def main(arguments: Sequence[str]) -> int:
    """Answer one command of the protocol; return the exit code."""
    parser = argparse.ArgumentParser(prog="trainer.script")
    parser.add_argument("--config-as", choices=WAYS, required=True)
    parser.add_argument("--score", required=True)
    parser.add_argument("--any-number", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--script", type=shlex.split, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    own = parser.parse_args(arguments)
    script = Script(own.script, own.config_as, own.score, own.folder, is_share=not own.any_number)
    match own.command:
        case ["describe", *_]:
            for line in sys.stdin:
                _emit("model", **_describe(script, json.loads(line)))
            return 0
        case ["train", "--config", path, *_]:
            return _train(script, Path(path).resolve())
        case other:
            print(f"trainer.script has no command {' '.join(other)}", file=sys.stderr)  # noqa: T201
            return InvalidConfig.exit_code


def _describe(script: Script, config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the `model` event. Of the network and its data nothing is known: sizes are 0."""
    unknown = {"image_size": 0, "classes": 0}
    data = {"name": config["dataset"], "train_images": None, "test_images": None, "fingerprint": None}
    return {
        "model": config["model"],
        "macs": 0,
        "macs_counter": "none",
        "parameters": 0,
        "channels": [],
        "blocks": [],
        "resolution": 0,
        "scales": [],
        "source": script.source(),
        "is_script": True,
        **unknown,
        "dataset": {**data, **unknown},
    }


def _train(script: Script, path: Path) -> int:
    config = json.loads(path.read_text())
    _emit("model", **_describe(script, config))
    versions = {"python": platform.python_version()}
    host = {"host": platform.node(), "device": config.get("device", "auto")}
    _emit("machine", **host, versions=versions)
    run = _Run(script, config)
    signal.signal(signal.SIGTERM, lambda *_: run.stop(_Stop.ASKED))
    try:
        return run.to_end(path)
    except TrialError as error:
        _emit("error", reason=error.reason, message=str(error))
        return error.exit_code


class _Stop(Enum):
    """Why a script was stopped: its budget was spent, or the trial got SIGTERM."""

    BUDGET, ASKED = "budget", "asked"


@dataclass
class _Run:
    """One run of the script.

    stop_reason: None: it was not stopped
    stopped_after: seconds; last: what it reported last; lines: that had a score
    other: what it reported last without one
    complaint: the last line of its standard error
    """

    script: Script
    config: Mapping[str, Any]
    stop_reason: _Stop | None = None
    stopped_after: float | None = None
    process: "subprocess.Popen[str] | None" = None
    last: dict[str, Any] = field(default_factory=dict)
    lines: int = 0
    other: Mapping[str, Any] = field(default_factory=dict)
    complaint: str = ""
    began: float = field(default_factory=time.monotonic)

    def to_end(self, path: Path) -> int:
        """Run the script and report; return the exit code. Raises TrialError."""
        settings, seconds = self.config["hyperparameters"], self.config["budget"].get("seconds")
        command = self.script.command(settings, path.parent)
        try:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.script.folder if self.script.folder.is_dir() else path.parent,
                env=self.script.environment(self.config, path),
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # its own processes are stopped with it
            )
        except OSError as error:
            raise InvalidConfig(
                f"cannot start {command[0]!r}: {error.strerror}; correct --trainer"
            ) from error
        except ValueError as error:
            raise InvalidConfig(
                f"the settings cannot be given as {self.script.config_as}: {error}; rename the variable"
            ) from error
        errors = threading.Thread(target=self._copy_errors, args=(self.process.stderr,), daemon=True)
        errors.start()
        timer = threading.Timer(seconds, self.stop, [_Stop.BUDGET]) if seconds else None
        if timer:
            timer.start()
        try:
            for told in self._told():
                self._measure(told, seconds)
            code = self.process.wait()
        finally:
            if timer:
                timer.cancel()
            self._signal(signal.SIGKILL)
            errors.join(_SILENT_SECONDS)
        return self._end(code, seconds)

    def stop(self, why: _Stop) -> None:
        """End the script: politely, and by force after a grace period."""
        if self.stop_reason is None:
            self.stop_reason, self.stopped_after = why, time.monotonic() - self.began
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_SECONDS, self._signal, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    def _signal(self, number: signal.Signals) -> None:
        """Signal all processes of the script that are left."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _copy_errors(self, printed: Iterable[str]) -> None:
        """Copy the script's standard error to the log, and remember its last line.

        It is read apart from the other output, which may come to the log before or after it.
        """
        for line in printed:
            sys.stderr.write(line)
            self.complaint = line.strip() or self.complaint

    def _told(self) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects that the script prints, one a line. Other lines go to the log."""
        for line in self._lines():
            told = None
            if line.lstrip().startswith("{"):
                with contextlib.suppress(ValueError, RecursionError):
                    told = json.loads(line)
            if isinstance(told, dict):
                yield told
            else:
                sys.stderr.write(line)

    def _lines(self) -> Iterator[str]:
        """Yield what the script prints until its end, though what it started may hold its output open."""
        process, lines = self.process, queue.Queue[str | None](maxsize=1000)
        assert process is not None
        assert process.stdout is not None

        def read(printed: Iterable[str]) -> None:
            for line in printed:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=_SILENT_SECONDS)
            except queue.Empty:
                if process.poll() is not None:
                    return
                continue
            if line is None:
                return
            yield line

    def _measure(self, told: dict[str, Any], seconds: float | None) -> None:
        score = self.script.score_in(told)
        if score is None:
            self.other = told
            return
        self.lines += 1
        elapsed = time.monotonic() - self.began
        progress = self.script.progress_in(told)
        if progress is None and seconds:
            progress = min(1.0, elapsed / seconds)
        where: dict[str, Any] = {"epoch": self.lines, "step": self.lines}
        where |= {name: told[name] for name in where if isinstance(told.get(name), int | float)}
        numbers = {name: told.get(name) for name in _KEPT}  # no other, whose name may mean something to us
        self.last = {**numbers, **where, "progress": progress, "val_accuracy": None, self.script.field: score}
        if self.lines % (1 << max(0, (self.lines // _PASSED_ON).bit_length() - 1)) == 0:
            _emit("epoch", **self.last, elapsed_seconds=elapsed)

    def _end(self, code: int, seconds: float | None) -> int:
        """Report the result, if there is one; return the exit code."""
        elapsed = time.monotonic() - self.began
        trained = elapsed if self.stopped_after is None else self.stopped_after
        if self.stop_reason is _Stop.ASKED:
            return 128 + signal.SIGTERM
        if code != 0 and self.stop_reason is None:
            why = self.complaint or f"the script ended with exit code {code}"
            _emit("error", reason="crashed", message=why)
            return 1 if code in _MEANT_OTHERWISE else code if code > 0 else 128 - code
        if not self.last:
            lacks = f'a line like {{"{self.script.named}": 0.91}} on its output (docs/scripts.md)'
            if self.stop_reason is _Stop.BUDGET:
                raise TooShort(f"the script was stopped at its budget of {seconds:g} s, before {lacks}")
            names = ", ".join(map(str, list(self.other)[:_MOST_NAMES]))
            had = f"; its last line of JSON has {names}" if names else ""
            print(f"the script ended without {lacks}{had}", file=sys.stderr)  # noqa: T201
            return 1
        steps = self.last.get("step", self.lines)
        over = {} if seconds is None else {"overshoot_seconds": trained - seconds}
        times = {"train_seconds": trained, "wall_seconds": elapsed, **over}
        _emit("final", **{**self.last, "steps": steps, "total_steps": steps, **times})
        if self.stop_reason is _Stop.BUDGET:
            _emit("warning", message=f"the script was stopped at its budget of {seconds:g} s")
        return 0


def _emit(event: str, **fields: Any) -> None:
    sound = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in fields.items()}
    print(json.dumps({"event": event, **sound}), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
