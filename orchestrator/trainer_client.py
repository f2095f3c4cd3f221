"""Ask the trainer to describe configurations without training them.

One process answers for the whole study, because a trainer takes seconds to import torch and milliseconds to
answer.
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.executors._process import limits

_PAUSE_SECONDS = 0.2


class Stopped(Exception):
    """The user stopped the study; its running trials are trained again when it resumes."""


class TrainerRefused(ValueError):
    """The trainer rejects this configuration; its message says what to change."""


class TrainerBroken(RuntimeError):
    """The trainer violates the protocol (docs/trainer-protocol.md)."""


@dataclass(frozen=True)
class NetworkInfo:
    """A network as it is built from a configuration, after rounding."""

    network: str
    macs: int
    macs_counter: str
    parameters: int
    channels: tuple[int, ...]  # one per stage
    blocks: tuple[int, ...]  # one per stage
    resolution: int  # side of the network's input, in pixels
    image_size: int  # side of the data set's images, in pixels
    classes: int
    dataset: Mapping[str, Any]
    scales: tuple[str, ...] = ("depth", "width", "resolution")  # the multipliers that the network supports
    architecture: Mapping[str, Any] | None = None  # the settings of its family, if it has any
    source: str | None = None  # changes when the file of a user's own network changes
    batch_size: int | None = None  # of its training, if the trainer tells it
    initialises: bool = False  # whether the trainer can start from the weights of an earlier training
    fresh: tuple[str, ...] = ()  # tensors that a training from such weights draws anew
    versions: Mapping[str, int] = field(default_factory=dict)  # the newest of the trainer's rules, by name
    latency_ms: float | None = None  # for one image, if it was measured
    latency_iqr_ms: float | None = None
    latency_failure: str | None = None  # why it could not be measured
    compares_latency: bool = False  # whether the trainer has the command `latency`
    keeps_weights: bool = False  # whether the trainer can keep those of a training
    checks: bool = False  # whether the trainer has the command `check`
    is_script: bool = False  # whether it is a script, of whose network and data nothing is known

    def columns(self) -> dict[str, Any]:
        """Return the columns of a trial's row about its network."""
        return {
            "model": self.network,
            "macs": None if self.is_script else self.macs,
            "parameters": None if self.is_script else self.parameters,
            "latency_ms": self.latency_ms,
            "latency_iqr_ms": self.latency_iqr_ms,
            "channels": list(self.channels),
            "blocks": list(self.blocks),
            "resolution_pixels": None if self.is_script else self.resolution,
        }


class NetworkDescriber(Protocol):
    """Describes the networks of configurations, without training them."""

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo: ...
    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]: ...


class TrainerClient:
    """A `trainer describe` process. Close it when done.

    `check_data` also opens the data set (downloading it if needed), and checks that it has enough images of
    each class. `memory_bytes`: limit of the process's host memory, as for a trial; None: .9 of the machine's.
    """

    def __init__(
        self,
        trainer: Sequence[str],
        memory_bytes: float | None = None,
        check_data: bool = True,
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self._most_bytes = limits.usual_memory_bytes() if memory_bytes is None else memory_bytes
        variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self._command = [*trainer, "describe", *(["--check-data"] if check_data else [])]
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=variables,
                start_new_session=True,  # a terminal's Ctrl-C is for the orchestrator alone
            )
        except OSError as error:
            advice = limits.ADVICE.get(error.errno or 0) or "see --trainer"
            raise TrainerRefused(
                f"cannot start the trainer {trainer[0]!r}: {error.strerror}; {advice}"
            ) from error

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        """Return the network of `config`; raise TrainerRefused with the trainer's reason, or
        TrainerBroken.
        """
        return self._network(self._ask(_line(config)))

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        """Describe each configuration; raise as `describe` does.

        Each is asked once, and next to those most like it: the trainer is then several times as fast.
        """
        lines = [_line(config) for config in configs]
        answers = {line: self._ask(line) for line in sorted(set(lines))}
        return [self._network(answers[line]) for line in lines]

    def _network(self, answer: Mapping[str, Any]) -> NetworkInfo:
        if answer.get("event") == "error":
            raise TrainerRefused(str(answer.get("message", "the trainer gives no reason")))
        try:
            return NetworkInfo(
                network=answer["model"],
                macs=int(answer["macs"]),
                macs_counter=answer["macs_counter"],
                parameters=int(answer["parameters"]),
                channels=tuple(answer["channels"]),
                blocks=tuple(answer["blocks"]),
                resolution=int(answer["resolution"]),
                image_size=int(answer["image_size"]),
                classes=int(answer["classes"]),
                dataset=answer["dataset"],
                scales=tuple(answer.get("scales", NetworkInfo.scales)),
                architecture=answer.get("architecture"),
                source=answer.get("source"),
                batch_size=answer.get("batch_size"),
                initialises=answer.get("initialises") is True,
                fresh=tuple(answer.get("fresh", ())),
                compares_latency=answer.get("compares_latency") is True,
                keeps_weights=answer.get("keeps_weights") is True,
                checks=answer.get("checks") is True,
                is_script=answer.get("is_script") is True,
                versions=dict(answer.get("versions") or {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TrainerBroken(f"{self._shown} answers {answer}: {error!r} is wrong or missing") from error

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            while not select.select([self._process.stdout], [], [], _PAUSE_SECONDS)[0]:
                if self._stop.is_set():
                    raise Stopped
                self._refuse_too_much_memory()
            # some runtimes begin their output with a byte order mark
            answer = json.loads(self._process.stdout.readline().removeprefix("\ufeff"))
        except TrainerRefused:
            raise
        except (OSError, ValueError) as error:
            raise TrainerBroken(
                f"{self._shown} did not answer; run it by hand to see why. A script that knows no `describe` "
                "is searched by hpo-search without --model (docs/scripts.md)"
            ) from error
        if not isinstance(answer, dict):
            raise TrainerBroken(f"{self._shown} answers {answer!r}, not a JSON object")
        return answer

    def _refuse_too_much_memory(self) -> None:
        """End the process and raise TrainerRefused if it uses more memory than a training may."""
        if self._most_bytes == math.inf:
            return
        used = limits.memory_bytes(self._process.pid, self._most_bytes, itself=True)
        if used > self._most_bytes:
            self._process.kill()
            raise TrainerRefused(
                f"opening the data took {limits.format_size(used)} of memory, more than the limit of "
                f"{limits.format_size(self._most_bytes)} (--max-memory); raise the limit, or use smaller data"
            )

    @property
    def _shown(self) -> str:
        return f"`{' '.join(self._command)}`"

    def close(self) -> None:
        """Kill the process. It holds nothing, so it need not end cleanly."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # it died with a request unread: nothing is left to flush

    def __enter__(self) -> TrainerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(config: Mapping[str, Any]) -> str:
    # a description is about shapes, so it needs no accelerator even where the trial will have one
    return json.dumps({**config, "device": "cpu", "precision": "auto"})


def with_absolute_paths(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command with absolute paths for its files, since trials run in folders of their own.

    `~` at the beginning of a word is the home folder.
    """
    words = map(os.path.expanduser, command)
    return tuple(os.path.abspath(word) if os.path.isfile(word) else word for word in words)


def network_key(description: NetworkInfo, config: Mapping[str, Any]) -> str:
    """Return a key of a training: configurations with the same key train the same network in the same way."""
    facts = {
        "network": description.network,
        "blocks": list(description.blocks),
        "channels": list(description.channels),
        "resolution": description.resolution,
        "recipe": config["recipe"],
        "hyperparameters": config["hyperparameters"],
        "subset": config["subset"],
        "seed": config["seed"],
    }
    for part in ("ingredients", "versions"):
        if config.get(part):
            facts[part] = config[part]
    architecture = description.architecture or config.get("architecture")
    if architecture:
        facts["architecture"] = dict(architecture)
    if description.source:
        facts["source"] = description.source
    if config.get("init"):
        facts["init"] = {name: value for name, value in config["init"].items() if name != "folder"}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
