"""Compare a study's recorded settings with those of the command that resumes it."""

import re
from collections.abc import Iterator
from typing import Any

_ABSENT = object()
_ABSENT_IMAGES = "-absent"  # at the end of a fingerprint before a download
_LONGEST = 60  # characters of a list or an object that are shown
_UNSAID = {"fit": "squash"}  # values of settings that older versions did not record


def differences(recorded: object, asked: object) -> list[str]:
    """Return the differences, one phrase each: `space.width.high: 1.0 recorded, 1.25 now`.

    Both are JSON values. Keys are dotted; items of two lists of one length are named by their `name`, or by
    index. An integer and a float of equal value are equal; true and 1 are not. Different images are described
    in words, not by their fingerprints.
    """
    return list(_differences("", recorded, asked))


def setting_text(asked: object, path: str) -> str:
    """Return the value at a key of `differences` as it shows values, `nothing` where there is none."""
    for key in path.split("."):
        if isinstance(asked, list):
            asked = {str(_name_of(item, item) or index): item for index, item in enumerate(asked)}
        asked = _value(asked, key) if isinstance(asked, dict) else _ABSENT
    return _told(asked)


def in_words(difference: str) -> str:
    """Return a difference as people read it: `train images: 5000 recorded, 100 now`."""
    key, colon, values = difference.partition(": ")
    if " " in key:  # words already
        return difference
    return f"{key.removeprefix('training.').replace('.', ' ').replace('_', ' ')}{colon}{values}"


def _differences(path: str, recorded: object, asked: object) -> Iterator[str]:
    children = _pairs(recorded, asked)
    if children is None:
        if not _same(recorded, asked):
            yield f"{path or 'it'}: {_told(recorded)} recorded, {_told(asked)} now"
        return
    for key, before, now in children:
        if key == "fingerprint" and isinstance(before, str) and isinstance(now, str):
            yield from _of_images(recorded, asked, before, now)
            continue
        yield from _differences(f"{path}.{key}" if path else key, before, now)


def _pairs(recorded: object, asked: object) -> list[tuple[str, object, object]] | None:
    """Return the children of two objects, or of two lists of one length, in pairs; None for anything else."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        keys = list(dict.fromkeys((*recorded, *asked)))
        return [(key, _value(recorded, key), _value(asked, key)) for key in keys]
    if isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
        pairs = zip(recorded, asked, strict=True)
        return [
            (_name_of(before, now) or str(index), before, now) for index, (before, now) in enumerate(pairs)
        ]
    return None


def _name_of(before: Any, now: Any) -> str | None:
    """Return the name that two items have in common, such as that of a variable in a space."""
    both = isinstance(before, dict) and isinstance(now, dict) and before.get("name") == now.get("name")
    return before.get("name") if both else None


def _value(held: dict[str, Any], key: str) -> object:
    return held.get(key, _UNSAID.get(key, _ABSENT))


def _of_images(recorded: Any, asked: Any, before: str, now: str) -> Iterator[str]:
    """Yield how two fingerprints differ; nothing if the data sets have other names anyway.

    A fingerprint is `rules-hash` or `rules-CLASSES+TRAIN+TEST-hash`.
    """
    name = asked.get("dataset", "the data set")
    if before == now or recorded.get("dataset", name) != name:
        return
    if now.endswith(_ABSENT_IMAGES):
        yield f"the images ({name}) are not downloaded here yet, so they cannot be compared"
        return
    (rules, was), (rules_now, found) = _rules_and_numbers(before), _rules_and_numbers(now)
    if rules != rules_now:
        yield f"the images ({name}) are decoded by other rules than when the study started (docs/data.md)"
        return
    numbers = (
        f": {was} then, {found} now" if was != found else f": {found} as then, but others" if found else ""
    )
    yield f"the images ({name}) are not those with which the study started{numbers}"


def _rules_and_numbers(fingerprint: str) -> tuple[str, str]:
    """Return the rules that a fingerprint begins with, and its numbers of images in words, if it has any."""
    rules, _, _ = fingerprint.rpartition("-")
    if not (numbers := re.fullmatch(r"(.*)-(\d+)\+(\d+)\+(\d+)", rules)):
        return rules, ""
    rules, classes, train, test = numbers.groups()
    return rules, f"{classes} classes, {train} training and {test} test images"


def _same(recorded: object, asked: object) -> bool:
    return recorded == asked and isinstance(recorded, bool) == isinstance(asked, bool)


def _told(value: Any) -> str:
    text = "nothing" if value is _ABSENT else repr(value)
    is_long = isinstance(value, list | dict) and len(text) > _LONGEST
    return f"{text[:_LONGEST]}…" if is_long else text
