"""Files with the options of a command: `--config study.toml` and `--write-config study.toml`.

Names in a file are options as typed, without the dashes: `train-images = 4000`, or `train_images`.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.spec.options import BadOption, CommandOptions


def read_config(path: Path, model: type[CommandOptions]) -> dict[str, Any]:
    """Return the options in the file by name. Raise BadOption."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # tomllib's and UnicodeDecodeError are ValueErrors
        why = getattr(error, "strerror", None) or error
        raise BadOption(f"--config {path} cannot be read: {why}; give a file like `trials = 40`") from error
    names = {model.flag(name): name for name in model.model_fields} | {
        f"--{name}": name for name in model.removed
    }
    given = {f"--{key.replace('_', '-')}": value for key, value in values.items()}
    for flag in given.keys() - names.keys():
        raise BadOption(
            f"--config {path}: {flag[2:]} is not an option of {model.program}; see {model.program} --help-all"
        )
    return {names[flag]: value for flag, value in given.items()}


def write_config(path: Path, model: type[CommandOptions], given: Mapping[str, Any]) -> None:
    """Write the given options that ask the same again. Raise BadOption for those that cannot be."""
    request = model.resolve(given)
    kept = [name for name in model.options("user", "owner") if name in given]
    if given.get("db") == os.environ.get("NAS_DB", ""):
        kept.remove("db")  # of this machine, and it may hold a password
    values = request.model_dump(mode="json", include=set(kept))
    text = "".join(f"{model.flag(name)[2:]} = {_toml(values[name])}\n" for name in kept)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"# {model.program} --config {path.name}\n{text}")
    except OSError as error:
        remedy = "give a file that does not exist yet, in a folder that you can write to"
        raise BadOption(f"--write-config {path}: {error.strerror}; {remedy}") from error


def _toml(value: Any) -> str:
    """Return a text, number, truth value or list of texts in TOML, which writes them as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
