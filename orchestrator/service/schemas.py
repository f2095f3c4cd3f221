"""The options that a client may give: those of the commands, except those that could run programs or read
files that the service's owner did not offer.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

import search_spaces
from orchestrator.service.settings import Settings
from orchestrator.spec import names
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.search_options import SEARCHES, SearchOptions, resolve_options
from results.db.search_queue import typed_words

_RUN = "import sys; from orchestrator.cli import commands; sys.argv[0] = '{0}-search'; commands.{0}_search()"
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{,300}")
_MOST_TEXTS = 60
_OPEN = ("metric",)  # options that take more than they suggest: a script's own metric
_CONFIG = ConfigDict(extra="forbid", strict=True)


def client_model(model: type[SearchOptions]) -> type[BaseModel]:
    """Return what a client may ask of a search: the options that every user may set, as the table has them.

    It only describes the values: the table reads them (`given`), so that its messages are the same here.
    """
    fields: dict[str, Any] = {"kind": (Literal[model.kind], Field(description="nas or hpo"))}
    fields |= _fields(model, model.options("user"))
    return create_model(f"{model.kind.capitalize()}Search", __config__=_CONFIG, **fields)


def _fields(model: type[SearchOptions], names: Iterable[str]) -> dict[str, Any]:
    """Return pydantic's fields of these options."""
    told, fields = model.model_json_schema()["properties"], dict[str, Any]()
    for name in names:
        option = model.option(name)
        schema = {key: value for key, value in told[name].items() if key not in option.facts}
        suggested = {"examples": list(option.facts["suggest"])} if option.facts["suggest"] else {}
        schema["description"] = option.help
        field = Field(
            option.field.default, description=option.help, json_schema_extra={**schema, **suggested}
        )
        fields[name] = (Any, field)
    return fields


NasSearch, HpoSearch = map(client_model, SEARCHES.values())
# the options that a resume may change, which both searches have
Resume = create_model(
    "Resume", __config__=_CONFIG, **_fields(SEARCHES["nas"], ("trials", "until_saving", "force"))
)


def form_fields(kind: str) -> dict[str, dict[str, Any]]:
    """Return what the form needs of each option of a search, by name, those first that matter most."""
    model = SEARCHES[kind]
    schemas = model.model_json_schema()["properties"]
    return {
        name: {
            "help": option.help,
            "type": option.kind.__name__,
            "choices": option.choices,
            "closed": bool(option.choices) and name not in _OPEN,
            "matters": name in model.ten,
            **_range(schemas[option.name]),
        }
        for name, option in model.options("user").items()
    }


def _range(schema: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the least and the most that a number may be, null where there is no limit."""
    kinds = schema.get("anyOf", [schema])
    number: Mapping[str, Any] = next((one for one in kinds if one.get("type") in ("integer", "number")), {})
    least = number.get("minimum", number.get("exclusiveMinimum"))
    return {"least": least, "most": number.get("maximum")}


def given(asked: BaseModel) -> tuple[str, str, dict[str, Any]]:
    """Return the kind, the subject and the options that a client gave. Raise BadOption."""
    said = asked.model_dump(exclude_unset=True, exclude_none=True)
    model = SEARCHES[said.pop("kind")]
    _check_values(model, said)
    read = model.parse(said).model_dump(mode="json", include=set(said), exclude_none=True)
    subject = read.pop(model.subject_option)
    return (
        model.kind,
        subject,
        {name: value for name, value in read.items() if value is not False and value != []},
    )


def changed(asked: BaseModel | None) -> dict[str, Any]:
    """Return the options that a client gave for a resume. Raise BadOption."""
    said = asked.model_dump(exclude_unset=True, exclude_none=True) if asked else {}
    _check_values(SEARCHES["nas"], said)
    return said


def _check_values(model: type[SearchOptions], said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        _check_value(model.flag(name), value)


def _check_value(flag: str, value: Any) -> None:
    """Raise BadOption for what no option takes. It is not shown: it may be long, or not printable."""
    parts = value if isinstance(value, list) else [value]
    check(len(parts) <= _MOST_TEXTS, f"{flag} has {len(parts)} values; give at most {_MOST_TEXTS}")
    for part in parts:
        check(not isinstance(part, list | dict), f"{flag} takes no lists in lists and no objects; give texts")
        is_fit = not isinstance(part, str) or _TEXT.fullmatch(part)
        check(bool(is_fit), f"{flag} takes at most 300 characters in one line; give a shorter text")


def restrict_options(kind: str, subject: str, asked: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the options with paths made absolute; raise BadOption for those not allowed here.

    The recorded options of a search from the command line are checked here as well, when it is resumed.
    """
    refused = why_refused(subject, asked)
    check(not refused, refused)
    model = SEARCHES[kind]
    forbidden = sorted(set(asked) - {*model.options("user"), *model.removed})
    check(not forbidden, f"{', '.join(forbidden)} can be given only on the command line")
    check_name(asked.get("study") or "")
    told = dict(asked)
    if told.get("data") is not None:
        told["data"] = _dataset(told["data"], settings)
    return told


def why_refused(subject: str, asked: Mapping[str, Any]) -> str:
    """Return why only a command line can name the network or the space of a search; empty if it has names."""
    if re.fullmatch(r"\w[\w .+-]*(@\w[\w .+-]*)?", subject) is None:
        return f"{subject!r} is not the name of a network or model; use the command line for one in a file"
    if search_spaces.is_path(asked.get("space") or ""):
        return "--space of a file can be given only on the command line; give the name of a space"
    return ""


def check_name(name: str) -> None:
    """Raise BadOption for a name that would make a file name too long."""
    longest = names.LONGEST_NAME
    check(
        len(name.encode()) <= longest, f"the name {name[:20]!r}... is too long; use at most {longest} bytes"
    )


def settle(kind: str, subject: str, asked: Mapping[str, Any], settings: Settings) -> SearchOptions:
    """Return the options as the command will fill them in. Raise BadOption for a value out of range."""
    where = {"db": settings.database, "runs": settings.runs, "trainer": settings.trainer}
    return resolve_options(kind, subject, {**asked, **where})


def command(
    kind: str, subject: str, asked: Mapping[str, Any], settings: Settings, *more: str
) -> Sequence[str]:
    """Return the command line of a search, without the database, whose URL may hold a password."""
    words = [f"--{SEARCHES[kind].subject_option}={subject}", f"--runs={settings.runs}", *more]
    if settings.trainer is not None:
        words.append(f"--trainer={settings.trainer}")
    if settings.on_end is not None:
        words.append(f"--on-end={settings.on_end}")
    if settings.data_folder is not None:
        words.append(f"--data-folder={settings.data_folder}")
    return [sys.executable, "-P", "-c", _RUN.format(kind), *words, *typed_words(asked)]


def networks(printed: str) -> list[dict[str, str]]:
    """Return the networks in the output of a trainer's `models`, to choose from."""
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    named = [event for event in events if event.get("event") == "network"]
    return [{"name": str(event["name"]), "summary": str(event.get("summary", ""))} for event in named]


def _dataset(name: str, settings: Settings) -> str:
    kind, colon, path = name.partition(":")
    if kind in names.PATHS and colon:
        return f"{kind}:{_under(path, settings.data_root)}"
    # an own trainer's names of data sets are its own
    known = r"[\w:=.,+-]+" if settings.trainer else r"\w+|torchvision:[\w-]+"
    check(
        re.fullmatch(known, name) is not None,
        f"{name!r} is not a data set that this service reads; give digits, cifar10, "
        "torchvision:NAME, npz:FILE, folder:PATH or csv:FILE",
    )
    return name


def _under(path: str, root: Path | None) -> Path:
    if root is None:
        raise BadOption("this service reads no image files; it was started without --data-root")
    try:
        whole = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadOption(f"{path!r} is not a path") from error
    check(whole.is_relative_to(root.resolve()), f"{path!r} is outside the --data-root of this service")
    return whole
