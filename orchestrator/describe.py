"""Ask the trainer what a configuration is, without training it.

One process answers for the whole study, because a trainer that has to import torch takes
seconds to start and milliseconds to answer.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator import environment

_PAUSE_SECONDS = 0.2


class Stopped(Exception):
    """The user stopped the study; what ran is handed out again when it resumes."""


class Refused(ValueError):
    """The trainer will not train this configuration; its message says what to change."""


class TrainerBroken(RuntimeError):
    """The trainer does not keep to the protocol (docs/trainer-protocol.md)."""


@dataclass(frozen=True)
class Description:
    """A realised network: what a configuration comes to after rounding."""

    network: str
    macs: int
    macs_counter: str
    parameters: int
    channels: tuple[int, ...]  # one a stage
    blocks: tuple[int, ...]  # one a stage
    resolution: int  # pixels a side that the network sees
    image_size: int  # pixels a side that the data set stores
    classes: int
    dataset: Mapping[str, Any]
    scales: tuple[str, ...] = ("depth", "width", "resolution")  # the multipliers that the network takes
    architecture: Mapping[str, Any] | None = None  # the settings of its family, where it has some
    source: str | None = None  # changes with the file of a network of the user's own
    latency_ms: float | None = None  # of one image, where it was measured
    latency_iqr_ms: float | None = None

    def columns(self) -> dict[str, Any]:
        """Return what a trial's row says of its network."""
        return {
            "model": self.network,
            "macs": self.macs,
            "parameters": self.parameters,
            "latency_ms": self.latency_ms,
            "latency_iqr_ms": self.latency_iqr_ms,
            "channels": list(self.channels),
            "blocks": list(self.blocks),
            "resolution_pixels": self.resolution,
        }


class Describes(Protocol):
    """Says what configurations come to, without training them."""

    def describe(self, config: Mapping[str, Any]) -> Description: ...
    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[Description]: ...


class Describer:
    """A `trainer describe` process; `describe` is a question and its answer. Close it when done.

    `check_data` also opens the data set (and downloads it), and holds its images a class against the subset.
    """

    def __init__(
        self, trainer: Sequence[str], check_data: bool = True, stop: threading.Event | None = None
    ) -> None:
        self._stop = stop or threading.Event()
        variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self._command = [*trainer, "describe", *(["--check-data"] if check_data else [])]
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=variables,
                start_new_session=True,  # a terminal's Ctrl-C is for the orchestrator alone
            )
        except OSError as error:
            advice = environment.advice(error) or "see --trainer"
            raise Refused(f"cannot start the trainer {trainer[0]!r}: {error.strerror}; {advice}") from error

    def describe(self, config: Mapping[str, Any]) -> Description:
        """Return what `config` comes to; raise Refused with the trainer's reason."""
        # a description is about shapes, so it needs no accelerator even where the trial will have one
        answer = self._ask(json.dumps({**config, "device": "cpu", "precision": "auto"}))
        if answer.get("event") == "error":
            raise Refused(str(answer.get("message", "the trainer gives no reason")))
        try:
            return Description(
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
                scales=tuple(answer.get("scales", Description.scales)),
                architecture=answer.get("architecture"),
                source=answer.get("source"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TrainerBroken(f"{self._shown} answers {answer}: {error!r} is wrong or missing") from error

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[Description]:
        """Return what each comes to; raise as `describe` does."""
        return [self.describe(config) for config in configs]

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            while not select.select([self._process.stdout], [], [], _PAUSE_SECONDS)[0]:
                if self._stop.is_set():
                    raise Stopped
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise TrainerBroken(f"{self._shown} gives no answer; run it by hand to see why") from error
        if not isinstance(answer, dict):
            raise TrainerBroken(f"{self._shown} answers {answer!r}, not a JSON object")
        return answer

    @property
    def _shown(self) -> str:
        return f"`{' '.join(self._command)}`"

    def close(self) -> None:
        """End the process. It holds nothing, so it is not asked twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # it died with a question unread: nothing to flush any more

    def __enter__(self) -> Describer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def located(command: Sequence[str]) -> tuple[str, ...]:
    """The command with the files it names made absolute, for trials run in folders of their own."""
    return tuple(os.path.abspath(word) if os.path.isfile(word) else word for word in command)


def network_key(description: Description, config: Mapping[str, Any]) -> str:
    """Return the name of one training: configurations with one key train one network in one way."""
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
    if config.get("ingredients"):
        facts["ingredients"] = config["ingredients"]
    architecture = description.architecture or config.get("architecture")
    if architecture:
        facts["architecture"] = dict(architecture)
    if description.source:
        facts["source"] = description.source
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
