"""Whatever a trainer prints, or a power cut leaves of a trial's files, is read, or an error that says so."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executors import Exit, Reason
from orchestrator.executors._process.files import JOB_FILE
from orchestrator.executors.slurm import batch_script
from orchestrator.trial import metrics as report
from orchestrator.trial import outcome, usage
from orchestrator.trial.folder import TrialFolder
from results.db.store import Store
from results.db.tables import Trial
from tests._trying import OFTEN

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "\0", "cpu", 0.5, 1.0, 2**63]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [*report._MEASURED, *report._FINAL, *report._MACHINE, "versions", "reason", "message"]
)
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["model", "machine", "epoch", "final", "error"]) | VALUES}
).flatmap(lambda event: st.dictionaries(FIELDS, VALUES, max_size=6).map(lambda more: {**more, **event}))
LINES = (
    EVENTS.map(lambda event: json.dumps(event).encode())
    | st.binary(max_size=20)
    | st.sampled_from([b"[" * 5000, b"NaN", b'{"event": "final", "val_accuracy": 1e999}', b'"' * 3])
)
LINE = b'{"event": "final", "val_accuracy": 0.5}\n'
KEYS = {"executor": "slurm", "key": "k", "protocol": 1}
FILES = VALUES | st.binary(max_size=30) | st.just(b"[" * 5000)
FILES |= st.fixed_dictionaries({}, optional={key: st.just(usual) | VALUES for key, usual in KEYS.items()})
FILES |= st.integers(0, 60).map(lambda cut: json.dumps(KEYS).encode()[:cut])  # torn by a power cut
STREAMS = st.tuples(st.lists(LINES, max_size=6).map(b"\n".join), st.sampled_from([b"", b"\n", b'{"ev']))
REASONS: list[Reason] = ["exited", "timeout", "stopped", "memory", "output", "lost"]
ENDS = st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 137, 143, -9, -11, 255]), st.sampled_from(REASONS))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def trial(store: Store) -> Trial:
    study = store.open_study("s", "nas", {}, 1, {}, None)
    return store.start_trial(study.id, 1, purpose="search")


@OFTEN
@given(STREAMS, ENDS)
def test_any_stream_of_metrics_ends_a_trial_in_a_way_that_can_be_recorded(
    store: Store, trial: Trial, tmp_path: Path, stream: tuple[bytes, bytes], end: tuple[int, Reason]
) -> None:
    metrics, log = tmp_path / "metrics.jsonl", tmp_path / "log.txt"
    metrics.write_bytes(b"".join(stream))
    log.write_bytes(stream[0][-30:])
    now = datetime.now(UTC)
    found = outcome.judge(Exit(*end, "cpu-0", 1.0, now, now, said="why"), TrialFolder(tmp_path))
    if found.state != "completed":
        assert found.reason
        assert found.message is not None
    columns = found.columns | {"reason": found.reason, "message": found.message}
    state = found.state if found.state in ("completed", "pruned") else "failed"
    ended = store.finish_trial(trial.id, state, found.measurements, **columns)
    if state == "completed":
        assert ended.val_accuracy is not None
        assert 0 <= ended.val_accuracy <= 1
    assert report.latest_epoch(metrics) is None or isinstance(report.latest_epoch(metrics), dict)
    outcome.adopt(TrialFolder(tmp_path))


@OFTEN
@given(FILES, st.sampled_from(["trial.json", JOB_FILE]))
def test_any_file_in_a_trial_s_folder_is_read_or_left_aside(tmp_path: Path, value: Any, name: str) -> None:
    folder = tmp_path / "00002"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    (folder / "metrics.jsonl").write_bytes(LINE)
    assert TrialFolder(folder).has_config({"protocol": 2}) is False
    assert TrialFolder(folder).has_job({"protocol": 1}, "slurm") is False
    begun = Trial(number=2, started_at=datetime(2026, 1, 1, tzinfo=UTC), slot_seconds=1.0)
    assert 1.0 <= usage.estimate_usage(begun, TrialFolder(folder), 60.0).slot_seconds <= 61.0
    assert isinstance(batch_script.read(str(folder), name), dict)
    (folder / name).unlink()
