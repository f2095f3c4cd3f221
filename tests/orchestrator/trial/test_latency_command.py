"""Searches whose latency a command of the user's measures: real commands that work, fail, hang and talk."""

import json
import math
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.service import schemas
from orchestrator.service.settings import Settings
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import OWN_TRAINER
from orchestrator.spec.search_options import NasOptions
from orchestrator.trainer_client import Stopped
from orchestrator.trial.latency import LatencyFailed
from orchestrator.trial.latency_command import CommandLatency, read_milliseconds
from results import queries, tables
from results.errors import QuestionChanged
from tests.orchestrator._processes import alive
from tests.orchestrator._studies import run, settled, trials, typed

CALM: dict[str, Any] = {"data": "fake:noise=0", "minimise": "latency"}
HEAD = "import json, os, sys, time\nnetwork = json.load(open(sys.argv[1]))\nblocks = sum(network['blocks'])\n"
BY_MACS = "print(network['macs'] / 1e6)\n"


def bench(folder: Path, body: str) -> str:
    """The command that runs a program on the network's file."""
    program = folder / "bench.py"
    program.write_text(HEAD + body)
    return shlex.join([sys.executable, str(program), "{onnx}"])


def test_the_command_measures_each_network_once_and_the_search_seeks_the_least(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    body = f"open({str(asked)!r}, 'a').write(str(network['macs']) + '\\n')\n{BY_MACS}"
    command = bench(tmp_path, body)
    run(tmp_path, latency_command=command, trials=4, **CALM)
    run(tmp_path, latency_command=command, trials=6, **CALM)
    rows = trials(tmp_path)
    assert all(row.latency_ms == pytest.approx((row.macs or 0) / 1e6) for row in rows)
    assert {row.latency_iqr_ms for row in rows} == {None}
    assert sorted(map(int, asked.read_text().split())) == sorted({row.macs or 0 for row in rows})
    trained = [row for row in rows if row.state == "completed" and row.purpose == "search"]
    assert all(row.objective == row.latency_ms for row in trained)


def test_a_network_that_the_command_fails_on_is_skipped_with_the_reason_and_the_search_goes_on(
    tmp_path: Path,
) -> None:
    asked = tmp_path / "asked"
    body = f"open({str(asked)!r}, 'a').write('x')\nif blocks > 8: sys.exit('no room for it')\n{BY_MACS}"
    command = bench(tmp_path, body)
    printed = run(tmp_path, latency_command=command, trials=5, **CALM)
    rows = trials(tmp_path)
    failed = [row for row in rows if sum(row.blocks or ()) > 8]
    assert {(row.state, row.reason, row.latency_ms, row.objective) for row in failed} == {
        ("screened", "latency", None, None)
    }
    assert "latency not measured: the command failed (exit code 1): no room for it" in printed
    assert len([row for row in rows if row.state == "completed"]) == 5, "failures cost no training"
    database = tmp_path / "results.db"
    shown = tables.trials_table(queries.trials(database, "s"), queries.study_rows(database)[0])
    assert "skipped: latency not measured" in {cell for column in shown.columns for cell in column.cells}
    measured = len(asked.read_text())
    networks = {str((row.channels, row.blocks, row.resolution_pixels)) for row in rows}
    assert len(networks) <= measured <= len(networks) + len(failed)
    assert "latency: the command measures network 1 of 1\n" in printed
    with pytest.raises(QuestionChanged, match="latency command: "):
        run(tmp_path, latency_command=command + " --again", trials=6, **CALM)
    run(tmp_path, latency_command=command, trials=6, **CALM)
    new = [row for row in trials(tmp_path)[len(rows) :] if row.state != "duplicate"]
    again = sum(row.reason == "latency" for row in new)
    found = len(asked.read_text()) - measured
    assert len(new) <= found <= len(new) + again, "nothing that was measured before"


@pytest.mark.parametrize(("wide", "asked"), [("01", "010"), ("10", "10"), ("11", "110")])
def test_the_base_is_measured_again_once_where_the_last_network_fails(
    tmp_path: Path, wide: str, asked: str
) -> None:
    """wide: 1 for each wide network, which the command fails on; asked: for each that it is given."""
    is_wide, counted = "network['channels'][0] > 30", tmp_path / "asked"
    body = f"open({str(counted)!r}, 'a').write(str(int({is_wide})))\nif {is_wide}: sys.exit(1)\nprint(1.0)"
    shown = list[str]()
    command, base = measurer(tmp_path, bench(tmp_path, body), shown.append)
    configs = [base | {"scale": {"width": 1.0 if one == "1" else 0.25}} for one in wide]
    found = command.measure(configs)
    assert [one.ms is None for one in found] == [one == "1" for one in wide]
    assert counted.read_text() == asked
    assert shown[:2] == [f"latency: the command measures network {place} of 2" for place in (1, 2)]
    assert len(shown) == len(asked)


def test_a_command_that_fails_on_the_base_ends_the_study_before_any_training(tmp_path: Path) -> None:
    done = typed(
        tmp_path,
        *("--base", "senet18", "--data", "fake:", "--budget", "10steps", "--minimise", "latency"),
        *("--latency-command", bench(tmp_path, "sys.exit('no route to host')"), "--study", "s"),
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(
        "nas-search: the latency of the base network could not be measured: the command failed "
        "(exit code 1): no route to host; see "
    )
    assert trials(tmp_path) == []


@pytest.mark.slow
def test_a_device_that_goes_away_ends_the_search_and_leaves_nothing_recorded_of_it(tmp_path: Path) -> None:
    off = tmp_path / "off"
    command = bench(tmp_path, f"if os.path.exists({str(off)!r}): sys.exit('unreachable')\n{BY_MACS}")
    run(tmp_path, latency_command=command, trials=4, **CALM)
    before = len(trials(tmp_path))
    off.touch()
    with pytest.raises(LatencyFailed, match=r"the base network .* unreachable"):
        run(tmp_path, latency_command=command, trials=8, **CALM)
    assert len(trials(tmp_path)) <= before + 4
    assert {row.reason for row in trials(tmp_path)} == {None}
    off.unlink()
    run(tmp_path, latency_command=command, trials=8, **CALM)
    assert all(row.latency_ms for row in trials(tmp_path))


@pytest.mark.slow
def test_a_search_in_which_only_the_base_can_be_measured_ends(tmp_path: Path) -> None:
    body = "if network['channels'][0] != 64 or blocks != 8: sys.exit('bad shape')\n" + BY_MACS
    with pytest.raises(LatencyFailed, match=r"all 4 networks but the base .* bad shape"):
        run(tmp_path, latency_command=bench(tmp_path, body), trials=8, **CALM)


@pytest.mark.slow
def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    body = "if os.fork() == 0:\n    os.setsid()\nopen(sys.argv[1] + str(os.getpid()), 'w')\ntime.sleep(600)\n"
    with pytest.raises(LatencyFailed, match=r"the command failed: it did not end within 5 s"):
        measure(tmp_path, bench(tmp_path, body), seconds=5.0)
    pids = [int(path.name.removeprefix("network.onnx")) for path in (tmp_path / "latency").glob("*.onnx?*")]
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_a_stopped_study_stops_the_command(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        measure(tmp_path, bench(tmp_path, "time.sleep(600)\n"), stop=stop)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/no/such/program {onnx}", "cannot run '/no/such/program': No such file or directory"),
        (f"{sys.executable} -c 'print(1, 2)' {{onnx}}", "printed no line that .* its last line is '1 2'"),
        (f"{sys.executable} -c pass {{onnx}}", "the command printed nothing; see "),
        (f"{sys.executable} -c 'print(0)' {{onnx}}", "printed '0', which has no milliseconds above 0"),
        (f"{sys.executable} -c 'print(\"1\" * 10**7)' {{onnx}}", "printed more than"),
        (f"{sys.executable} -c 'import os; os.kill(os.getpid(), 9)' {{onnx}}", r"\(exit code -9\)"),
    ],
)
def test_what_is_no_measurement_is_refused_with_what_was_seen(
    tmp_path: Path, command: str, said: str
) -> None:
    with pytest.raises(LatencyFailed, match=said):
        measure(tmp_path, command)


def test_a_trainer_that_exports_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        LatencyFailed, match=r"the trainer could not export the network \(exit code 1\): usage"
    ):
        measure(tmp_path, "cat {pt2}", trainer=f"{sys.executable} -c 'raise SystemExit(\"usage: train\")'")


def test_the_words_reach_the_command_without_a_shell(tmp_path: Path) -> None:
    body = "assert sys.argv[2:] == ['$HOME', '|', 'a b', '~'], sys.argv\nprint('{\"milliseconds\": 6}')\n"
    assert measure(tmp_path, bench(tmp_path, body) + " '$HOME' '|' 'a b' '~'") == 6.0


ONNXRUNTIME = """\
import sys, time
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
[images] = session.get_inputs()
image = np.zeros((1, *images.shape[1:]), np.float32)
session.run(None, {images.name: image})
began = time.perf_counter()
[logits] = session.run(None, {images.name: image})
assert logits.shape == (1, 10)
print(1000 * (time.perf_counter() - began))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_trainers_network_runs_in_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs pip install -e '.[export]'")
    (tmp_path / "bench.py").write_text(ONNXRUNTIME)
    command = shlex.join([sys.executable, str(tmp_path / "bench.py"), "{onnx}"])
    found = measure(tmp_path, command, trainer=shlex.join(OWN_TRAINER), data="digits")
    assert found is not None
    assert 0 < found < 60_000
    assert [path.name for path in (tmp_path / "latency").glob("*.onnx*")] == ["network.onnx"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_the_extra_the_study_says_what_to_install_before_any_training(tmp_path: Path) -> None:
    without = "import sys; sys.modules['onnxscript'] = None; import runpy; runpy.run_module('trainer', "
    trainer = shlex.join([sys.executable, "-P", "-c", f"{without}run_name='__main__', alter_sys=True)"])
    with pytest.raises(LatencyFailed, match=r"needs .*onnxscript.*; run: pip install onnx onnxscript"):
        run(
            tmp_path,
            latency_command="cat {onnx}",
            minimise="latency",
            data="digits",
            trainer=trainer,
            train_images="200",
            validation_images="50",
        )
    assert trials(tmp_path) == []


def test_a_command_without_a_place_for_the_network_or_without_use_is_refused() -> None:
    with pytest.raises(BadOption, match=r"does not say where the network's file goes; put \{onnx\} there"):
        settled(Path("x"), latency_command="ssh pi bench", minimise="latency")
    with pytest.raises(BadOption, match=r"--latency-command: No closing quotation"):
        settled(Path("x"), latency_command="ssh 'pi {onnx}", minimise="latency")
    with pytest.raises(BadOption, match=r"--latency-command has no effect without --minimise latency"):
        settled(Path("x"), latency_command="ssh pi bench {onnx}")
    assert settled(Path("x"), latency_command="ssh pi bench {onnx}", max_latency_ms=3.0)


def test_nobody_can_give_the_command_over_rest(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="latency_command can be given only on the command line"):
        schemas.restrict_options("nas", "senet18", {"latency_command": "rm {onnx}"}, served(tmp_path))
    assert "latency_command" in NasOptions.options("owner")


SPACE = st.text(st.sampled_from(" \t"), max_size=3)
OTHER_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "12.5 ms", "1_000", "[3.0]", '"7"', "true", "{}", '{"ms": 3}', "0x10", "1,5", "{"]
        ),
        st.text(max_size=20).filter(lambda line: not any(c.isdigit() for c in line)).map(lambda t: f"x{t}"),
    )
)


@given(OTHER_LINES, st.floats(1e-9, 1e9), st.booleans(), SPACE, OTHER_LINES)
def test_the_last_number_or_json_line_counts_whatever_else_is_printed(
    before: list[str], value: float, as_json: bool, space: str, after: list[str]
) -> None:
    line = json.dumps({"name": "x", "milliseconds": value}) if as_json else repr(value)
    printed = "\n".join([*before, "77.0", space + line + space, *after])
    assert read_milliseconds(printed) == value


@given(OTHER_LINES)
def test_output_without_such_a_line_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no line that is a number|nothing"):
        read_milliseconds("\n".join(lines))


@given(
    OTHER_LINES,
    st.one_of(
        st.floats(max_value=0.0).map(repr),
        st.sampled_from(["nan", "inf", "-Infinity", "1e999", "9" * 400]),
        st.one_of(st.none(), st.booleans(), st.text(), st.just(-1), st.just(math.inf), st.just(10**400)).map(
            lambda value: json.dumps({"milliseconds": value})
        ),
    ),
)
def test_a_value_that_is_not_above_0_is_refused_and_no_earlier_one_taken(
    before: list[str], line: str
) -> None:
    with pytest.raises(ValueError, match="no milliseconds above 0"):
        read_milliseconds("\n".join([*before, "12.5", line]))


def measure(folder: Path, command: str, **changes: Any) -> float | None:
    """The milliseconds of one network by this command."""
    made, config = measurer(folder, command, **changes)
    [found] = made.measure([config])
    return found.ms


def measurer(
    folder: Path, command: str, note: Callable[[str], None] = lambda text: None, **changes: Any
) -> tuple[CommandLatency, dict[str, Any]]:
    """What measures by this command, and the configuration of the base network."""
    stop, seconds = changes.pop("stop", threading.Event()), changes.pop("seconds", 100.0)
    request = settled(folder, latency_command=command, minimise="latency", **changes)
    subset = {"train": 100, "validation": 50, "seed": 0}
    config: dict[str, Any] = {"protocol": 1, "model": "senet18", "subset": subset}
    config |= {"budget": {"steps": 5}, "seed": 0, "dataset": request.data, "scale": {"width": 0.125}}
    return CommandLatency(config, request, folder, stop, note, seconds), config


def served(folder: Path) -> Settings:
    return Settings(database=str(folder / "results.db"), runs=folder)
