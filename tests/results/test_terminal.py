"""What a command prints, and the streams it prints on."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.table import Table

from results import export, terminal
from tests.results.processes import ROOT, python

OPEN = """
import os, pathlib, subprocess, sys
from results import terminal
terminal.open_missing()
print("±", file=sys.stdout); print("±", file=sys.stderr); sys.stdin.read()
child = "import os, sys; [os.fstat(number) for number in range(3)]"
opened = os.open(os.devnull, os.O_RDONLY)
code = subprocess.run([sys.executable, "-c", child]).returncode
pathlib.Path(sys.argv[1]).write_text(f"{opened > 2} {code}")
"""
OUTLIVE = """
import pathlib, sys
from results import terminal
terminal.outlive_readers()
with terminal.telling_of_loss(lambda *told: pathlib.Path(sys.argv[1]).write_text(str(told))):
    for number in range(100_000):
        print(number)
print("the end", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("plain ± text\tand\nlines", "plain ± text\tand\nlines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bc\x1b(0reset", "reset"),
        ("\x9b31mof C1", "31mof C1"),
        ("over\rwritten\b\x7f", "overwritten"),
        ("left \u202eright", "left right"),
        ("unfinished \x1b[", "unfinished "),
    ],
)
def test_what_would_command_a_terminal_is_stripped(said: str, told: str) -> None:
    assert terminal.strip_escapes(said) == told


@given(some.text())
def test_no_text_brings_a_control_character_to_a_terminal_or_into_json(text: str) -> None:
    printed = io.StringIO()
    console = terminal.SafeConsole(file=printed, width=200)
    table = Table()
    table.add_column("name")
    table.add_row(text)
    console.print(text, markup=False)
    console.print(table)
    terminal.tell(table, printed)
    shown = printed.getvalue() + terminal.json_text([text])
    assert not [letter for letter in shown if terminal.strip_escapes(letter) != letter]
    assert json.loads(terminal.json_text([text])) == [text]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_open_for_a_command_and_for_what_it_starts(tmp_path: Path, closed: str) -> None:
    told = tmp_path / "told"
    command = f'exec "$@" </dev/null >/dev/null 2>/dev/null {closed}'
    code = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-c", OPEN, str(told)],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    ).returncode
    assert (code, told.read_text()) == (0, "True 0")


def test_a_command_goes_on_when_its_reader_is_gone_and_says_which_stream_was_lost(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with python(OUTLIVE, str(told)) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "the end\n"
        assert process.wait(60) == 0
    assert told.read_text() == "('stdout', 'Broken pipe')"


def test_a_spreadsheet_is_given_text_where_a_name_looks_like_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain", "a=1", "\x1b[31mred"]
    frame = pd.DataFrame({"message": texts, "loss": [-0.5] * 8})
    export.write_csv(frame, tmp_path / "x.csv")
    back = pd.read_csv(tmp_path / "x.csv")
    assert list(back["message"]) == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "plain", "a=1", "red"]
    assert list(back["loss"]) == [-0.5] * 8
