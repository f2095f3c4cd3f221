"""Tables in a pipe are rich's to the letter, without its time."""

import io

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from results import tables, terminal

FRAME = pd.DataFrame({"name": ["Zürich", "東京", ""], "amount": [1.5, 20.25, 300.0]})


def table() -> Table:
    said = {"study": lambda row: row["name"], "amount": lambda row: f"{row['amount']:.2f}"}
    return tables.table_of(FRAME, said)


def test_a_table_in_a_pipe_is_what_rich_makes_of_it() -> None:
    console = Console(file=io.StringIO(), width=1000)
    with console.capture() as printed:
        console.print(table())
    assert list(terminal.lines(table())) == [line.rstrip() for line in printed.get().splitlines()]


@pytest.mark.parametrize(("cell", "width"), [("two\nlines", 100), ("x" * 100, 100)])
def test_cells_that_need_several_lines_are_left_to_rich(cell: str, width: int) -> None:
    folded = tables.table_of(pd.DataFrame({"a": [cell]}), {"a": lambda row: row["a"]})
    assert not terminal.fits(folded, width)
    assert terminal.fits(table(), width)
