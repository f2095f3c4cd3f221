"""Read one JSON object key by key, and refuse the keys that nobody read."""

from collections.abc import Callable
from typing import Any, TypeVar

from trainer.errors import InvalidConfig

_Read = TypeVar("_Read")
_REQUIRED: Any = object()  # no default: the key must be there


class Fields:
    """The keys of one object. `where` names the object in messages. All methods raise InvalidConfig."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidConfig(f"{where} must be a JSON object, not {_shorten(value)}")
        self._values: dict[str, Any] = value
        self._where = where
        self._known: list[str] = []

    def refuse_unknown(self) -> None:
        """Call this after the last key is read."""
        for key in self._values:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                raise InvalidConfig(f"unknown key {_shorten(key)} in {self._where}; known: {known}")

    def object(self, key: str, read: Callable[["Fields"], _Read], default: Any = _REQUIRED) -> _Read:
        """What `read` makes of an object within this one. Keys that it does not read are refused."""
        fields = Fields(self._take(key, default), key)
        value = read(fields)
        fields.refuse_unknown()
        return value

    def objects_or_null(self, key: str, known: list[str]) -> "dict[str, dict[str, Any] | None]":
        """An object whose keys must be among the known ones; each value is an object or null."""
        values = self.mapping(key)
        for name, value in values.items():
            if name not in known:
                raise InvalidConfig(f"unknown key {_shorten(name)} in {key}; known: {', '.join(known)}")
            if value is not None and not isinstance(value, dict):
                wanted = "a JSON object or null"
                raise InvalidConfig(f"{name} in {key} must be {wanted}, not {_shorten(value)}")
        return values

    def mapping(self, key: str) -> dict[str, Any]:
        """An object with any keys, empty if it is missing. The caller must check the keys."""
        return dict(Fields(self._take(key, {}), key)._values)

    def value(self, key: str) -> Any:
        """Whatever is there, which the caller must check."""
        return self._take(key, _REQUIRED)

    def pairs(self, key: str) -> list[tuple[int, int]]:
        """A list of pairs of whole numbers from 0, empty if it is missing."""
        values = self._take(key, [])
        pairs = isinstance(values, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in values)
        if not pairs or not all(type(n) is int and 0 <= n <= 10**9 for pair in values for n in pair):
            raise InvalidConfig(f"{key} must be a list of pairs of whole numbers, not {_shorten(values)}")
        return [(first, second) for first, second in values]

    def text(self, key: str, default: Any = _REQUIRED) -> Any:
        """A string that is not empty and can name a file."""
        return self._read(
            key,
            default,
            lambda value: isinstance(value, str) and value.isprintable() and value,
            "a printable text",
        )

    def boolean(self, key: str, default: Any = _REQUIRED) -> Any:
        """true or false."""
        return self._read(key, default, lambda value: isinstance(value, bool), "true or false")

    def choice(self, key: str, choices: list[str], default: Any = _REQUIRED) -> Any:
        """One of some names."""
        value = self._take(key, default)
        if value is not default and (not isinstance(value, str) or value not in choices):
            raise InvalidConfig(f"{key} {_shorten(value)} is not known; known: {', '.join(choices)}")
        return value

    def integer(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> Any:
        """A whole number in [low, high]."""
        wanted = f"a whole number from {low} to {high}"
        return self._read(key, default, lambda value: type(value) is int and low <= value <= high, wanted)

    def number(self, key: str, low: float, high: float, default: Any = _REQUIRED, above: bool = False) -> Any:
        """A number in [low, high], or in (low, high] with `above`, as a float."""

        def fits(value: Any) -> bool:
            return type(value) in (int, float) and low <= value <= high and not (above and value == low)

        wanted = f"a number {'above' if above else 'from'} {low:g} to {high:g}"
        value = self._read(key, default, fits, wanted)
        return None if value is None else float(value)

    def _read(self, key: str, default: Any, fits: Callable[[Any], Any], wanted: str) -> Any:
        value = self._take(key, default)
        if value is not default and not fits(value):
            raise InvalidConfig(f"{key} must be {wanted}, not {_shorten(value)}")
        return value

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            raise InvalidConfig(f"{self._where} lacks {key}; see docs/trainer-protocol.md")
        return default


def _shorten(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 60 else text[:57] + "..."
