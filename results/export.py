"""Export results: as JSON values, and as a CSV, Parquet or JSON file of a study's trials.

JSON has no NaN and no infinity, so both become null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from results import queries
from results.errors import StoreError
from results.format import is_missing
from results.packages import pandas as pd
from results.terminal import strip_escapes


class ExportError(StoreError):
    """The file cannot be written as asked."""


def records(frame: pd.DataFrame | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows as JSON objects: times in ISO 8601, missing values as null."""
    rows = frame if isinstance(frame, list) else frame.astype(object).to_dict("records")
    return [{str(name): json_value(value) for name, value in row.items()} for row in rows]


def json_value(value: Any) -> Any:
    """Return the value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    if is_missing(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def export(db: queries.Database, study: str, to: Path, form: str | None = None) -> int:
    """Write the study's trials to a file, complete or not at all, and return their number.

    `form` is csv, parquet or json; None: by the file's suffix. In CSV and Parquet a JSON column is JSON text;
    in CSV an apostrophe is put before a text that a spreadsheet would take for a formula.
    Raises ExportError for another form, or if the file cannot be written.
    """
    write = _writer(to, form)
    frame = queries.trials(db, study).drop(columns=["id", "study_id"])
    frame.insert(0, "study", study)
    _write_whole(lambda path: write(frame, path), to, "--to")
    return len(frame)


def write_csv(frame: pd.DataFrame, to: Path) -> None:
    """Write a frame with all its digits to a CSV file, complete or not at all. Raises ExportError."""
    _write_whole(lambda path: _write_csv(frame, path), to, "--csv")


def write_text(text: str, to: Path, option: str) -> None:
    """Write a text to a file, complete or not at all. Raises ExportError, which names `option`."""
    _write_whole(lambda path: _write(text, path), to, option)


def _write_whole(write: Callable[[Path], None], to: Path, option: str) -> None:
    partial = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        write(partial)
        partial.replace(to)
    except OSError as error:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None
        raise ExportError(f"cannot write {to}: {error.strerror or error}; give another {option}") from error


def _writer(to: Path, form: str | None) -> Callable[[pd.DataFrame, Path], None]:
    name = form or to.suffix.removeprefix(".")
    if name not in _WRITERS:
        known = ", ".join(_WRITERS)
        wrong = f"unknown format {name!r}" if name else f"{to} has no suffix"
        raise ExportError(f"{wrong}; give a --to that ends in one of {known}, or a --format")
    return _WRITERS[name]


def _write_csv(frame: pd.DataFrame, to: Path) -> None:
    _with_json_as_text(frame).map(_without_formula).to_csv(to, index=False)


def _without_formula(value: Any) -> Any:
    """Return a text without escape sequences, and after an apostrophe where it looks like a formula."""
    if not isinstance(value, str):
        return value
    text = strip_escapes(value)
    return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _write_parquet(frame: pd.DataFrame, to: Path) -> None:
    _with_json_as_text(frame).to_parquet(to, index=False)


def _write_json(frame: pd.DataFrame, to: Path) -> None:
    _write(json.dumps(records(frame), indent=2, ensure_ascii=False) + "\n", to)


def _write(text: str, to: Path) -> None:
    to.write_text(text, encoding="utf-8")


_WRITERS = {"csv": _write_csv, "parquet": _write_parquet, "json": _write_json}


def _with_json_as_text(frame: pd.DataFrame) -> pd.DataFrame:
    objects = [name for name in frame.columns if any(isinstance(value, dict | list) for value in frame[name])]
    return frame.assign(**{name: frame[name].map(_json_text) for name in objects})


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(json_value(value), ensure_ascii=False)
