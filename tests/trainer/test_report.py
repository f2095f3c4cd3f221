import io
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import Diverged
from trainer.report import Report

ROOT = Path(__file__).parents[2]


def test_what_libraries_print_goes_to_stderr_and_events_alone_to_stdout() -> None:
    program = (
        "import os; from trainer.report import Report, take_stdout; report = Report(take_stdout());"
        "print('a library'); os.write(1, b'a C library\\n'); report.event('model', macs=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == '{"event": "model", "macs": 1}\n'
    assert "a library" in done.stderr
    assert "a C library" in done.stderr


def test_an_error_is_one_line_whatever_its_message_was() -> None:
    stream = io.StringIO()
    Report(stream).error(Diverged("two\nlines"))
    assert stream.getvalue() == '{"event": "error", "reason": "diverged", "message": "two lines"}\n'


def test_a_number_that_json_lacks_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Report(io.StringIO()).event("final", val_loss=float("nan"))
