"""Write a study as TensorBoard reads it: a folder of events for each training, with its curves and settings.

What a file says follows from the rows alone, so writing it again appends what is new, and else nothing. The
package `tensorboard` is imported where it is used; the rest of the package does not need it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results import export as exporting
from results import queries
from results.errors import StoreError
from results.format import shown_point
from results.mirror import MirrorResult
from results.scores import sought_score

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

Row = Mapping[str, Any]

FILE = "events.out.tfevents.0.nas"
_CURVES = {
    "val_loss": "loss/validation",
    "train_loss": "loss/training",
    "learning_rate": "learning rate",
    "val_accuracy": "validation/accuracy",
}  # columns of measurements, by their tag
_RESULTS = {"macs": "size/MACs", "parameters": "size/parameters", "latency_ms": "size/latency (ms)"}
_TRAINED = ("running", "completed", "pruned", "failed")


def export(db: queries.Database, study: str, folder: Path) -> MirrorResult:
    """Write to `folder`/STUDY what it does not have yet of a study.

    Raises StoreError if something cannot be read or written, or if `tensorboard` is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise StoreError("--tensorboard needs the package tensorboard; pip install tensorboard") from error
    row = exporting.records(queries.studies(db, study))[0]
    trials = exporting.records(queries.trials(db, study))
    curves: dict[int, list[Row]] = {}
    for measured in exporting.records(queries.learning_curves(db, study)):
        curves.setdefault(measured["trial"], []).append(measured)
    trained = [trial for trial in trials if trial["state"] in _TRAINED]
    added = ended = 0
    try:
        for trial in trained:
            path = folder / study / f"{trial['number']:05d}" / FILE
            is_new, written = not path.exists(), _write(path, _events(trial, curves, row))
            added += is_new
            ended += written and not is_new
        _remove_others(folder / study, {f"{trial['number']:05d}" for trial in trained})
    except OSError as error:
        raise StoreError(f"--tensorboard {error.filename}: {error.strerror}; give another folder") from error
    return MirrorResult(added, ended, len(trained), row["state"])


def _events(trial: Row, curves: Mapping[int, list[Row]], study: Row) -> Iterator[Event]:
    """Yield what a training's file says, the oldest first."""
    from tensorboard.compat.proto.event_pb2 import Event

    began = _seconds(trial["started_at"] or trial["created_at"])
    yield Event(wall_time=began, file_version="brain.Event:2")
    yield Event(wall_time=began, summary=_begin(trial, began))
    sought = sought_score(study["question"])
    tags = {**_CURVES, sought.column: f"{'script' if sought.is_number else 'validation'}/{sought.noun}"}
    for place, measured in enumerate(curves.get(trial["number"], []), start=1):
        step = measured["step"] if measured["step"] is not None else place
        at = began + (measured["elapsed_seconds"] or 0.0)
        told = {tag: measured[column] for column, tag in tags.items()}
        yield Event(wall_time=at, step=step, summary=_scalars(told))
    if trial["state"] != "running":
        end = _seconds(trial["finished_at"] or trial["created_at"])
        told = {tag: trial[column] for column, tag in _RESULTS.items()}
        reached = {f"result/{sought.noun}": trial[sought.column], "result/seconds": trial["train_seconds"]}
        yield Event(wall_time=end, step=trial["steps"] or 0, summary=_scalars(told | reached))
        yield Event(wall_time=end, summary=_finish(trial, end))


def _scalars(told: Mapping[str, float | None]) -> Summary:
    from tensorboard.compat.proto.summary_pb2 import Summary

    known = ((tag, value) for tag, value in told.items() if value is not None)
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in known])


def _begin(trial: Row, began: float) -> Summary:
    """Return the settings of a training, for the tab HPARAMS."""
    from google.protobuf.struct_pb2 import Value
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

    told = {
        **shown_point(trial["point"], trial["config"]),
        "purpose": trial["purpose"],
        "replicate": trial["replicate"],
    }
    settings = {name: _value(Value, value) for name, value in told.items() if value is not None}
    info = SessionStartInfo(hparams=settings, start_time_secs=began)
    return _hparams(metadata.SESSION_START_INFO_TAG, session_start_info=info)


def _finish(trial: Row, ended: float) -> Summary:
    """Return that a training has ended, and whether it has a result, for the same tab."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

    has_result = trial["state"] in ("completed", "pruned")
    status = api_pb2.STATUS_SUCCESS if has_result else api_pb2.STATUS_FAILURE
    info = SessionEndInfo(status=status, end_time_secs=ended)
    return _hparams(metadata.SESSION_END_INFO_TAG, session_end_info=info)


def _hparams(tag: str, **info: Any) -> Summary:
    """Return what `metadata.create_summary_metadata` makes, but with the same bytes in every process."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **info)
    content = data.SerializeToString(deterministic=True)
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content)
    about = SummaryMetadata(plugin_data=plugin)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _value(kind: Any, value: Any) -> Any:
    """Return a value as a protobuf `Value`."""
    if isinstance(value, bool):
        return kind(bool_value=value)
    return kind(number_value=value) if isinstance(value, int | float) else kind(string_value=str(value))


def _write(path: Path, events: Iterable[Event]) -> bool:
    """Append what is new, so that a running TensorBoard reads on; return whether there was any.

    A file that says something else, of an earlier study of that name, is replaced.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = io.BytesIO()
    records = RecordWriter(content)
    for event in events:
        records.write(event.SerializeToString(deterministic=True))
    whole, there = content.getvalue(), path.read_bytes() if path.exists() else b""
    if whole == there:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    if whole.startswith(there):
        with path.open("ab") as file:
            file.write(whole[len(there) :])
    else:
        path.write_bytes(whole)
    return True


def _remove_others(folder: Path, numbers: set[str]) -> None:
    """Remove our files of trainings that the study does not have (any more)."""
    for path in folder.glob(f"*/{FILE}"):
        if path.parent.name not in numbers:
            path.unlink()
            path.parent.rmdir()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
