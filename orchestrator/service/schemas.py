"""The options that a client may give: those of the commands, except those that could run programs or read
files that the service's owner did not offer.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from orchestrator.cli import commands
from orchestrator.service.settings import Settings
from orchestrator.spec import options
from orchestrator.spec.options import BadOption, check

SUBJECTS = {"nas": "base", "hpo": "model"}  # each command's option for the network to start from
# a trainer is a command to run, the others say where files are: the owner's to say when the service starts
REFUSED = (
    *("trainer", "executor", "db", "runs", "data_folder", "plan", "server", "token_file"),
    *("address", "gpu_fraction", "partition", "account"),
)
_REMOVED = ("stack",)  # of commands of earlier versions
_RUN = "import sys; from orchestrator.cli import commands; sys.argv[0] = '{0}-search'; commands.{0}_search()"
_TEXT = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
_KINDS: Mapping[Any, Any] = {
    str: _TEXT,
    int: Annotated[int, Field(ge=-(2**31), le=2**31)],
    float: Annotated[float, Field(allow_inf_nan=False)],
    list[str]: Annotated[list[_TEXT], Field(max_length=60)],
    bool: bool,
}
_PATHS = ("npz", "folder")  # data sets that are named by a path


def _asked(kind: str, command: Any) -> type[BaseModel]:
    """Return the model of a command's options, with their help texts as descriptions."""
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(description="nas or hpo"))}
    for name, hint in get_type_hints(command, include_extras=True).items():
        if name in (*REFUSED, *_REMOVED) or name == "return":
            continue
        wanted, option = get_args(hint)
        inner = next((part for part in get_args(wanted) if part is not type(None)), wanted)
        text = str(option.help).replace("\\[", "[")
        if name in SUBJECTS.values():
            fields[name] = (_TEXT, Field(description=text))
        elif inner is bool:
            fields[name] = (bool, Field(default=False, description=text))
        else:
            fields[name] = (_KINDS[inner] | None, Field(default=None, description=text))
    config = ConfigDict(extra="forbid", strict=True)
    return create_model(f"{kind.capitalize()}Search", __config__=config, **fields)


NasSearch = _asked("nas", commands._nas)
HpoSearch = _asked("hpo", commands._hpo)


MODELS = {"nas": NasSearch, "hpo": HpoSearch}


def words(kind: str) -> dict[str, str]:
    """Return the help text of each option of a search."""
    return {name: str(field.description) for name, field in MODELS[kind].model_fields.items()}


def given(asked: BaseModel) -> tuple[str, str, dict[str, Any]]:
    """Return the kind, the subject and the options that a client gave."""
    said = asked.model_dump(exclude_none=True)
    kind = said.pop("kind")
    subject = said.pop(SUBJECTS[kind])
    return kind, subject, {name: value for name, value in said.items() if value is not False and value != []}


def restrict_options(kind: str, subject: str, asked: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the options with paths made absolute; raise BadOption for those not allowed here.

    The recorded options of a search from the command line are checked here as well, when it is resumed.
    """
    check(
        re.fullmatch(r"\w[\w .+-]*(@\w[\w .+-]*)?", subject) is not None,
        f"{subject!r} is not the name of a network or model; use the command line for one in a file",
    )
    forbidden = sorted(set(asked) & set(REFUSED))
    check(not forbidden, f"{', '.join(forbidden)} can be given only on the command line")
    check_name(asked.get("study") or "")
    told = dict(asked)
    if told.get("data") is not None:
        told["data"] = _dataset(told["data"], settings)
    return told


def check_name(name: str) -> None:
    """Raise BadOption for a name that would make a file name too long."""
    longest = options.LONGEST_NAME
    check(
        len(name.encode()) <= longest, f"the name {name[:20]!r}... is too long; use at most {longest} bytes"
    )


def settle(kind: str, subject: str, asked: Mapping[str, Any], settings: Settings) -> options.SearchOptions:
    """Return the options as the command will fill them in. Raise BadOption for a value out of range."""
    where = {"db": settings.database, "runs": settings.runs, "trainer": settings.trainer}
    return options.resolve_options(kind, subject, {**asked, **where})


def command(
    kind: str, subject: str, asked: Mapping[str, Any], settings: Settings, *more: str
) -> Sequence[str]:
    """Return the command line of a search, without the database, whose URL may hold a password."""
    words = [f"--{SUBJECTS[kind]}={subject}", f"--runs={settings.runs}", *more]
    if settings.trainer is not None:
        words.append(f"--trainer={settings.trainer}")
    if settings.data_folder is not None:
        words.append(f"--data-folder={settings.data_folder}")
    for name, value in asked.items():
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [flag if one is True else f"{flag}={one}" for one in values]
    return [sys.executable, "-P", "-c", _RUN.format(kind), *words]


def networks(printed: str) -> list[dict[str, str]]:
    """Return the networks in the output of a trainer's `models`, to choose from."""
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    named = [event for event in events if event.get("event") == "network"]
    return [{"name": str(event["name"]), "summary": str(event.get("summary", ""))} for event in named]


def _dataset(name: str, settings: Settings) -> str:
    kind, colon, path = name.partition(":")
    if kind in _PATHS and colon:
        return f"{kind}:{_under(path, settings.data_root)}"
    # an own trainer's names of data sets are its own
    known = r"[\w:=.,+-]+" if settings.trainer else r"\w+"
    check(
        re.fullmatch(known, name) is not None,
        f"{name!r} is not a data set that this service reads; give digits, cifar10, npz:FILE or folder:PATH",
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
