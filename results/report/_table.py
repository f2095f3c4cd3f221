"""An accessible table: a caption, and headings for columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rich.table

MOST = 2000  # rows of a table: a browser takes seconds for more
Columns = Mapping[str, Callable[[Mapping[str, Any]], str]]


@dataclass(frozen=True)
class Table:
    """Cells are text. The first column has the row headings; columns in `texts` are aligned left."""

    caption: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: frozenset[str] = field(default_factory=frozenset)


def table(
    caption: str, rows: Iterable[Mapping[str, Any]], columns: Columns, texts: Iterable[str] = ()
) -> Table:
    """Return the table of the rows. `columns`: each column's name, and its text for a row."""
    cells = [tuple(said(row) for said in columns.values()) for row in rows]
    return Table(caption, tuple(columns), cells, frozenset(texts))


def latest(caption: str, count: int) -> str:
    """Return the caption of a table that shows the last MOST of `count` rows."""
    return (
        caption
        if count <= MOST
        else f"{caption}: the last {MOST:,} of {count:,} (nas-results export has all)"
    )


def pairs(caption: str, heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values, without those that are empty."""
    return Table(caption, heads, [row for row in rows if row[1]], frozenset(heads))


def flat(path: str, value: Any) -> list[tuple[str, str]]:
    """Return the leaves of a JSON value with their dotted paths."""
    if isinstance(value, Mapping) and value:
        return [
            leaf for key, inner in value.items() for leaf in flat(f"{path}.{key}" if path else key, inner)
        ]
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        named = (
            (item.get("name", i) if isinstance(item, Mapping) else i, item) for i, item in enumerate(value)
        )
        return [leaf for name, item in named for leaf in flat(f"{path}.{name}", item)]
    return [(path, _leaf(value))]


def _leaf(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def of_console(caption: str, shown: rich.table.Table) -> Table:
    """Return a console table as one for the page."""
    heads = tuple(str(column.header) for column in shown.columns)
    rows = list(zip(*(map(str, column.cells) for column in shown.columns), strict=True))
    left = (head for head, column in zip(heads, shown.columns, strict=True) if column.justify == "left")
    return Table(caption, heads, rows, frozenset(left))
