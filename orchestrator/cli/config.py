"""Files with the options of a command: `--config study.toml` and `--write-config study.toml`.

Names in a file are options as typed, without the dashes: `train-images = 4000`, or `train_images`.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.spec.command_options import BadOption, CommandOptions, check


def read_config(path: Path, model: type[CommandOptions]) -> dict[str, Any]:
    """Return the options in the file by name. Raise BadOption."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # tomllib's and UnicodeDecodeError are ValueErrors
        why = getattr(error, "strerror", None) or error
        raise BadOption(f"--config {path} cannot be read: {why}; give a file like `trials = 40`") from error
    try:
        given = model.with_names(values)
    except BadOption as error:
        raise BadOption(f"--config {path}: {error}") from None
    for name in ("config", "write_config"):
        check(name not in given, f"--config {path}: {name} has no effect in a file; type it")
    return given


def write_config(path: Path, model: type[CommandOptions], given: Mapping[str, Any]) -> None:
    """Write the given options that ask the same again. Raise BadOption for those that cannot be.

    Only its owner can read the file: the URL of a database may hold a password.
    """
    request = model.resolve(given)
    kept = [option for keyword, option in model.options("user", "owner").items() if keyword in given]
    values = request.model_dump(mode="json", include={option.name for option in kept}, exclude_none=True)
    text = "".join(
        f"{option.flag[2:]} = {_toml(values[option.name])}\n" for option in kept if option.name in values
    )
    try:
        with open(path, "x", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
            file.write(f"# {model.program} --config {path.name}\n{text}")
    except OSError as error:
        remedy = "give a file that does not exist yet, in a folder that you can write to"
        raise BadOption(f"--write-config {path}: {error.strerror}; {remedy}") from error


def _toml(value: Any) -> str:
    """Return a text, number, truth value or list of texts in TOML, which writes them as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
