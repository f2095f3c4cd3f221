"""The standard streams of a command, and text that is safe to print.

A command may be started with closed descriptors (`<&-`), lose its reader (`| head`) or its terminal, or
print on a terminal that lacks a character. A search goes on in all these cases, since its output is not its
result.
"""

import errno
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

_WIDE = 1000
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[]PX^_].*?(?:\x07|\x1b\\)|[ -/]*[0-~])"  # CSI, strings such as OSC, others
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # control characters but tab and line feed
    "|[\u202a-\u202e\u2066-\u2069]",  # what turns the direction of the text after it
    re.DOTALL,
)


def strip_escapes(text: str) -> str:
    """Return the text without escape sequences and control characters."""
    return _ESCAPES.sub("", text)


def json_text(value: Any) -> str:
    """Return JSON with characters as they are, except control characters, which are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _ESCAPES.sub(lambda found: json.dumps(found[0])[1:-1], text)


class SafeConsole(Console):
    """A rich console that strips escape sequences from the text it is given."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with escape sequences stripped from the text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(strip_escapes(segment.text), segment.style)


def tell(words: RenderableType, to: IO[str] | None = None) -> None:
    """Print on stdout: without colour in a pipe or with NO_COLOR, and in a pipe without cuts or padding.

    The same holds on a terminal that is too narrow for the numbers; it then wraps the lines itself.
    """
    to = to or sys.stdout
    is_terminal = to.isatty()
    if isinstance(words, Table) and not is_terminal and fits(words, _WIDE):
        to.writelines(f"{strip_escapes(line)}\n" for line in lines(words))
        return
    console = SafeConsole(
        file=to, width=None if is_terminal else _WIDE, highlight=False, markup=False, emoji=False
    )
    narrowest = console.measure(words, options=console.options.update_width(_WIDE)).minimum
    if is_terminal and narrowest <= console.width:
        console.print(words)
        return
    console.width = _WIDE
    with console.capture() as said:
        console.print(words)
    to.writelines(f"{line.rstrip()}\n" for line in said.get().splitlines())


class OutputLost(Exception):
    """What a command has to say could not be written; the message says why and what to do."""


class Output(io.TextIOWrapper):
    """A standard output that never raises: once it cannot be written to, the rest goes to /dev/null."""

    lost: OSError | None = None  # why nobody reads it any more
    when_lost: Callable[[str], None] | None = None

    @property
    def lost_because(self) -> str:
        return (self.lost and self.lost.strerror) or str(self.lost)

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if isinstance(error, BlockingIOError):  # a slow reader of a stream that somebody made non-blocking
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.fileno())
        os.close(nothing)
        self.lost = error
        if self.when_lost is not None:
            self.when_lost(self.lost_because)


def open_missing() -> None:
    """Open /dev/null for each of the three standard streams that the caller closed.

    Otherwise the next files opened take their numbers, and every process started from here is given those.
    Text that a stream cannot encode is replaced from here on, and ends no command.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _LogFormatter(logging.Formatter):
    """Warnings in one line of text, which may hold the words of trainers and servers."""

    def format(self, record: logging.LogRecord) -> str:
        return strip_escapes(super().format(record))


def log_to_stderr() -> None:
    """Print warnings and errors of the log on standard error, without what would command a terminal."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def prepare() -> None:
    """Make the standard streams fit for a command, whatever its caller did with them: call it first."""
    open_missing()
    outlive_readers()
    log_to_stderr()


def outlive_readers() -> None:
    """Let this command go on when its output cannot be written any more, which `Output.lost` then tells."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _output(stream))


def _output(stream: io.TextIOWrapper) -> Output:
    return Output(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def check_output() -> None:
    """Raise OutputLost where standard output took less than it was given.

    Raise BrokenPipeError where that is because its reader left.
    """
    sys.stdout.flush()
    lost = sys.stdout.lost if isinstance(sys.stdout, Output) else None
    if lost is not None and lost.errno == errno.EPIPE:
        raise lost
    if lost is not None:
        raise OutputLost(f"cannot write the output: {lost.strerror}; write it elsewhere")


@contextmanager
def telling_of_loss(tell: Callable[[str, str], Any]) -> Iterator[None]:
    """Call `tell` with the name of each standard output that is lost and why, once, now or later."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    outputs = {name: stream for name, stream in streams.items() if isinstance(stream, Output)}
    for name, output in outputs.items():
        output.when_lost = lambda why, name=name: tell(name, why)
        if output.lost is not None:
            tell(name, output.lost_because)
    try:
        yield
    finally:
        for output in outputs.values():
            output.when_lost = None


def lines(table: Table) -> Iterator[str]:
    """Yield the table's lines, head first, without blanks at their ends."""
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    widths = [max(map(cell_len, cells)) for cells in columns]
    aligned = [
        [_aligned(cell, width, column.justify == "right") for cell in cells]
        for column, cells, width in zip(table.columns, columns, widths, strict=True)
    ]
    for row in zip(*aligned, strict=True):
        yield "  ".join(row).rstrip()


def fits(table: Table, width: int) -> bool:
    """Whether no cell would be folded in lines of `width` cells, or has lines of its own."""
    widths = [max(map(cell_len, (str(c.header), *map(str, c.cells)))) for c in table.columns]
    one_line = not any("\n" in str(cell) for column in table.columns for cell in column.cells)
    return one_line and sum(widths) + 2 * len(widths) <= width


def _aligned(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if right else cell + blanks
