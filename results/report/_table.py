"""Tables of the page: those of the terminal with a caption. Their first column has the row headings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from results.tables import Columns, grid

MOST = 2000  # rows of a table: a browser takes seconds for more


def table(
    caption: str, rows: Iterable[Mapping[str, Any]], columns: Columns, texts: Iterable[str] = ()
) -> Table:
    """Return the table of the rows. `columns`: each column's name, and its text for a row."""
    cells = [[said(row) for said in columns.values()] for row in rows]
    return grid(caption, tuple(columns), cells, frozenset(texts))


def latest(caption: str, count: int) -> str:
    """Return the caption of a table that shows the last MOST of `count` rows."""
    return (
        caption
        if count <= MOST
        else f"{caption}: the last {MOST:,} of {count:,} (nas-results export has all)"
    )


def pairs(caption: str, heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values, without those that are empty."""
    return grid(caption, heads, [row for row in rows if row[1]], heads)


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


def captioned(caption: str, shown: Table) -> Table:
    """Return the table with a caption for the page."""
    shown.title = caption
    return shown
