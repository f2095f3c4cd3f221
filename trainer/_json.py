"""One JSON object read key by key, where everything that is not read is refused."""

import math
from typing import Any

from trainer.errors import InvalidConfig

_REQUIRED: Any = object()  # no default: the key must be there


class Fields:
    """The keys of one object. `where` names the object in messages."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidConfig(f"{where} must be a JSON object, not {_shown(value)}")
        self._values: dict[str, Any] = value
        self._where = where
        self._known: list[str] = []

    def refuse_unknown(self) -> None:
        """Call after the last key is read."""
        for key in self._values:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                raise InvalidConfig(f"unknown key {_shown(key)} in {self._where}; known: {known}")

    def object(self, key: str, default: Any = _REQUIRED) -> "Fields":
        """An object within this one."""
        return Fields(self._take(key, default), key)

    def objects_or_null(self, known: list[str]) -> "dict[str, dict[str, Any] | None]":
        """All keys, which must be among the known ones: an object or null each, in their order."""
        self._known.extend(known)
        self.refuse_unknown()
        for key, value in self._values.items():
            if value is not None and not isinstance(value, dict):
                raise InvalidConfig(
                    f"{key} in {self._where} must be a JSON object or null, not {_shown(value)}"
                )
        return dict(self._values)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object as it is, empty where it is missing; whoever reads it refuses what is unknown there."""
        return dict(Fields(self._take(key, {}), key)._values)

    def pairs(self, key: str) -> list[tuple[int, int]]:
        """A list of pairs of whole numbers from 0; none where the key is not there."""
        values = self._take(key, [])
        pairs = isinstance(values, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in values)
        if not pairs or not all(type(n) is int and 0 <= n <= 10**9 for pair in values for n in pair):
            raise InvalidConfig(f"{key} must be a list of pairs of whole numbers, not {_shown(values)}")
        return [(first, second) for first, second in values]

    def text(self, key: str, default: Any = _REQUIRED) -> Any:
        """A string that is not empty and can name a file."""
        value = self._take(key, default)
        if value is default:
            return value
        if not isinstance(value, str) or not value or "\0" in value or not value.isprintable():
            raise InvalidConfig(f"{key} must be a printable text, not {_shown(value)}")
        return value

    def truth(self, key: str, default: Any = _REQUIRED) -> Any:
        """true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise InvalidConfig(f"{key} must be true or false, not {_shown(value)}")
        return value

    def choice(self, key: str, choices: list[str], default: Any = _REQUIRED) -> Any:
        """One of some names."""
        value = self._take(key, default)
        if value is default:
            return value
        if not isinstance(value, str) or value not in choices:
            raise InvalidConfig(f"{key} {_shown(value)} is not known; known: {', '.join(choices)}")
        return value

    def whole(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> Any:
        """A whole number in [low, high]."""
        value = self._take(key, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidConfig(f"{key} must be a whole number from {low} to {high}, not {_shown(value)}")
        return value

    def number(self, key: str, low: float, high: float, default: Any = _REQUIRED, above: bool = False) -> Any:
        """A number in [low, high], or in (low, high] where it must be `above`."""
        value = self._take(key, default)
        if value is default:
            return value
        number = isinstance(value, int | float) and not isinstance(value, bool) and not _is_nan(value)
        if not number or not low <= value <= high or (above and value == low):
            bound = f"above {low:g}" if above else f"from {low:g}"
            raise InvalidConfig(f"{key} must be a number {bound} to {high:g}, not {_shown(value)}")
        return float(value)

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            raise InvalidConfig(f"{self._where} lacks {key}; see docs/trainer-protocol.md")
        return default


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 60 else text[:57] + "..."
