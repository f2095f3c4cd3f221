"""One choice of values, which can be a dictionary's key.

Two points are equal only if their values have equal types, too: `True`, `1` and `1.0` make three points, but
one key of a dictionary.
"""

from collections.abc import Iterator, Mapping

Value = str | int | float | bool


class Point(Mapping[str, Value]):
    """An immutable mapping from names to values; `dict(point)` is plain JSON data."""

    __slots__ = ("_exact", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)
        self._exact = frozenset((name, type(value), value) for name, value in self._values.items())

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._exact == other._exact if isinstance(other, Point) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._exact)

    def __repr__(self) -> str:
        return f"Point({', '.join(f'{name}={value!r}' for name, value in self.items())})"
