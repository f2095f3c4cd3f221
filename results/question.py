"""Compare the question a study has on record with the one asked now."""

from collections.abc import Iterator
from typing import Any

_ABSENT = object()
_LONGEST = 60  # characters of a list that are told


def differences(recorded: object, asked: object) -> list[str]:
    """What differs, one phrase each: `space.width.high: 1.0 on record, 1.25 asked`.

    Both are JSON values. Keys are dotted; a list's items go by their index when both have the same length.
    An integer and a float of equal value are equal; true and 1 are not.
    """
    return list(_differences("", recorded, asked))


def _differences(path: str, recorded: object, asked: object) -> Iterator[str]:
    children = _pairs(recorded, asked)
    if children is None:
        if not _same(recorded, asked):
            yield f"{path or 'it'}: {_told(recorded)} on record, {_told(asked)} asked"
        return
    for key, before, now in children:
        yield from _differences(f"{path}.{key}" if path else key, before, now)


def _pairs(recorded: object, asked: object) -> list[tuple[str, object, object]] | None:
    """The children of two objects, or of two lists of one length, side by side; None for anything else."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        keys = list(dict.fromkeys((*recorded, *asked)))
        return [(key, recorded.get(key, _ABSENT), asked.get(key, _ABSENT)) for key in keys]
    if isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
        pairs = zip(recorded, asked, strict=True)
        return [(str(index), before, now) for index, (before, now) in enumerate(pairs)]
    return None


def _same(recorded: object, asked: object) -> bool:
    return recorded == asked and isinstance(recorded, bool) == isinstance(asked, bool)


def _told(value: Any) -> str:
    text = "nothing" if value is _ABSENT else repr(value)
    is_long = isinstance(value, list) and len(text) > _LONGEST
    return f"{text[:_LONGEST]}…" if is_long else text
