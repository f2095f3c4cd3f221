"""Compare the question a study has on record with the one asked now."""

from collections.abc import Iterator
from typing import Any

_ABSENT = object()
_LONGEST = 60  # characters of a list that are told
_UNSAID = {"fit": "squash"}  # what questions from before there was such a key asked


def differences(recorded: object, asked: object) -> list[str]:
    """What differs, one phrase each: `space.width.high: 1.0 on record, 1.25 asked`.

    Both are JSON values. Keys are dotted; a list's items go by their index when both have the same length.
    An integer and a float of equal value are equal; true and 1 are not. Images are told to differ in words,
    not by their fingerprints.
    """
    return list(_differences("", recorded, asked))


def _differences(path: str, recorded: object, asked: object) -> Iterator[str]:
    children = _pairs(recorded, asked)
    if children is None:
        if not _same(recorded, asked):
            yield f"{path or 'it'}: {_told(recorded)} on record, {_told(asked)} asked"
        return
    for key, before, now in children:
        if key == "fingerprint" and isinstance(before, str) and isinstance(now, str):
            yield from _of_images(recorded, asked, before, now)
            continue
        yield from _differences(f"{path}.{key}" if path else key, before, now)


def _pairs(recorded: object, asked: object) -> list[tuple[str, object, object]] | None:
    """The children of two objects, or of two lists of one length, side by side; None for anything else."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        keys = list(dict.fromkeys((*recorded, *asked)))
        return [(key, _value(recorded, key), _value(asked, key)) for key in keys]
    if isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
        pairs = zip(recorded, asked, strict=True)
        return [(str(index), before, now) for index, (before, now) in enumerate(pairs)]
    return None


def _value(held: dict[str, Any], key: str) -> object:
    return held.get(key, _UNSAID.get(key, _ABSENT))


def _of_images(recorded: Any, asked: Any, before: str, now: str) -> Iterator[str]:
    """Say of two fingerprints, `rules-hash`, what differs; nothing where another data set is asked anyway."""
    name = asked.get("dataset", "the data set")
    if before == now or recorded.get("dataset", name) != name:
        return
    if before.rpartition("-")[0] != now.rpartition("-")[0]:
        yield f"the images ({name}) are decoded by other rules than when the study began (docs/data.md)"
    else:
        yield f"the images ({name}) are not those that the study began with"


def _same(recorded: object, asked: object) -> bool:
    return recorded == asked and isinstance(recorded, bool) == isinstance(asked, bool)


def _told(value: Any) -> str:
    text = "nothing" if value is _ABSENT else repr(value)
    is_long = isinstance(value, list) and len(text) > _LONGEST
    return f"{text[:_LONGEST]}…" if is_long else text
