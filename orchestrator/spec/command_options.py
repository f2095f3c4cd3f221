"""Options of a command as fields of a model: types, defaults, ranges, help, and who may set them.

The command line, study.toml, the REST schema, the form of the page and the lists of what is refused there
follow from the fields. A field's default is the usual value; a demo has others (`presets`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

# what a value of each type may come as, and what is told of any other
_TAKEN: Mapping[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "is not a whole number; give one like 12"),
    float: ((int, float), "is not a number; give one like 0.5"),
    bool: ((bool,), "is neither true nor false; give one of them"),
    str: ((str, int, float), "is not text; write it in quotes"),
    Path: ((str,), "is not a path; write it in quotes"),
    list[str]: ((str, list, tuple), 'is not a list of texts; give one like ["mixup", "sam"]'),
}
_Parsed = TypeVar("_Parsed")
_Asked = TypeVar("_Asked")


class BadOption(ValueError):
    """An option's value is out of range; the message says what to give instead."""


@dataclass(frozen=True)
class Within:
    """A check of a range, for pydantic. The message follows the option and its value."""

    least: float
    most: float
    otherwise: str

    def refuse(self, value: float) -> float:
        if not self.least <= value <= self.most:
            raise BadOption(self.otherwise)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.refuse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}


def _read_path(text: str) -> str:
    if not text:
        raise BadOption("is empty; give a path or a name")
    return os.path.expanduser(text)


LocalPath = Annotated[Path, BeforeValidator(_read_path)]
PathText = Annotated[str, BeforeValidator(_read_path)]  # a path, or something else that has no ~
# user: whoever asks, by command line, file, REST or form; kept with the study, so that a resume has it
# owner: of the machine, on its command line or for all searches of a service
# command: this one call of the command
SetBy = Literal["user", "owner", "command"]


def option(
    panel: str,
    help_text: str,
    default: Any = None,
    *,
    set_by: SetBy = "user",
    environment: str | None = None,
    suggest: Iterable[str] = (),
    **settings: Any,
) -> Any:
    """Return the field of one option.

    help_text: ends in the default in brackets where `default` does not say it
    default: the usual value; `...` for an option that must be given
    environment: the variable that may hold the value
    suggest: values to choose from; others may be allowed
    settings: pydantic's, such as `ge` and `le`, the least and the most
    """
    facts: Any = {"panel": panel, "set_by": set_by, "environment": environment, "suggest": tuple(suggest)}
    return Field(default, description=help_text, json_schema_extra=facts, **settings)


PANELS = (
    "The service",
    "The search",
    "The evaluation",
    "The final training",
    "The study",
    "Each training",
    "The machine",
    "The results",
)


@dataclass(frozen=True)
class Option:
    """One option of a command, as its field describes it."""

    name: str  # of the field
    flag: str  # as typed
    field: FieldInfo
    shown: str | None  # the default in words, if this command has its own

    @property
    def keyword(self) -> str:
        """The name by which users give it, in files, in Python and in REST: as typed, with underscores."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def facts(self) -> dict[str, Any]:
        """What `option` was told."""
        return cast(dict[str, Any], self.field.json_schema_extra)

    @property
    def _annotation(self) -> Any:
        """The field's type without None and validators."""
        kind: Any = self.field.annotation
        while get_origin(kind) in (Union, UnionType, Annotated):
            kind = get_args(kind)[0]
        return kind

    @property
    def kind(self) -> Any:
        """The type of a value: str, int, float, bool, Path, or `list[str]` of a repeatable option."""
        return {Literal: str, tuple: list[str]}.get(get_origin(self._annotation), self._annotation)

    @property
    def choices(self) -> Sequence[str]:
        """Values to choose from; others may be allowed."""
        is_closed = get_origin(self._annotation) is Literal
        return get_args(self._annotation) if is_closed else self.facts["suggest"]

    @property
    def help(self) -> str:
        """The help text with the default in brackets."""
        text, default = str(self.field.description), self.field.default
        is_told = text.endswith("]") or self.field.is_required() or default in (None, False, ())
        shown = self.shown or ("" if is_told else default)
        return f"{text} [{shown}]" if shown else text

    def read_text(self, text: str) -> Any:
        """Return what is typed as a value of the option's type, or as it is if it cannot be read."""
        if self.kind not in (int, float) or "_" in text:  # Python reads 1_0 as 10
            return text
        try:
            return TypeAdapter(self.kind).validate_python(text)
        except ValidationError:
            return text

    def read(self, value: Any) -> Any:
        """Return a value as the field takes it. Raise BadOption for one of another type."""
        taken, otherwise = _TAKEN[self.kind]
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        is_other = isinstance(value, bool) and self.kind is not bool  # Python's bool is an int
        if is_other or not isinstance(value, taken):
            raise BadOption(self.refusal(value, otherwise))
        if self.kind is str:
            return str(value)
        return [value] if self.kind == list[str] and isinstance(value, str) else value

    def refusal(self, value: Any, why: str) -> str:
        """Return the line that refuses a value."""
        is_number_as_text = self.kind in (int, float) and isinstance(value, str) and value.isdecimal()
        shown = f'"{value}"' if is_number_as_text or value == "" else value
        return f"{self.flag} {shown} {why}"


class CommandOptions(BaseModel):
    """Options of one command. Each command has its own model, whose docstring is the command's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    program: ClassVar[str]
    flags: ClassVar[Mapping[str, str]] = {}  # of fields whose option has another name
    shown: ClassVar[Mapping[str, str]] = {}  # defaults in words that only this command has
    removed: ClassVar[Mapping[str, str]] = {}  # options of earlier versions, and what there is instead
    ten: ClassVar[tuple[str, ...]]  # the options that matter most, which --help shows
    examples: ClassVar[tuple[str, ...]]

    config: LocalPath | None = option(
        "The study",
        "File of options, one `name = value` a line (TOML). Options that are typed replace those in it.",
        set_by="command",
    )
    write_config: LocalPath | None = option(
        "The study", "Write the options given to this file for --config, then exit.", set_by="command"
    )

    @classmethod
    def options(cls, *set_by: SetBy) -> dict[str, Option]:
        """Return the options by the names that users give, or those that these may set.

        The ten come first, the others by panel.
        """
        found = list(map(cls.option, cls.model_fields))
        found.sort(
            key=lambda one: (
                (*cls.ten, one.keyword).index(one.keyword),
                PANELS.index(one.facts["panel"]),
            )
        )
        return {one.keyword: one for one in found if not set_by or one.facts["set_by"] in set_by}

    @classmethod
    def option(cls, field: str) -> Option:
        """Return the option of a field."""
        return Option(field, cls.flag(field), cls.model_fields[field], cls.shown.get(field))

    @classmethod
    def flag(cls, field: str) -> str:
        """Return the option of a field as it is typed."""
        return cls.flags.get(field, f"--{field.replace('_', '-')}")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Return the options with these values, and the usual defaults. Raise BadOption."""
        return cls._check(cls._read(given))

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Self:
        """Return the options: the user's values, then the environment's, a demo's defaults, the usual ones.

        None and an empty list mean not given. Raise BadOption for a value that is out of range or has no
        effect.
        """
        asked = cls._read(given)
        variables = {name: cls.option(name).facts["environment"] or "" for name in cls.model_fields}
        around = {name: os.environ.get(variable) for name, variable in variables.items()}
        set_around = {name: value for name, value in around.items() if value}
        request = cls._check({**cls.presets(asked), **set_around, **asked})
        for wrong in request.idle(asked):
            raise BadOption(wrong)
        return request

    @classmethod
    def with_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by option, with underscores. Raise BadOption for a name that is none."""
        known = {cls.option(field).keyword for field in cls.model_fields} | set(cls.removed)
        named: dict[str, Any] = {}
        for key, value in given.items():
            name = key.replace("-", "_")
            check(name not in named, f"{name} is given twice; give it once")
            if name not in known:
                is_field = name in cls.model_fields
                remedy = f"give {cls.option(name).keyword}" if is_field else f"see {cls.program} --help-all"
                raise BadOption(f"{key} is not an option of {cls.program}; {remedy}")
            named[name] = value
        return named

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by field, each of its option's type, without those not given."""
        options = {option.keyword: option for option in map(cls.option, cls.model_fields)}
        read = {}
        for name, value in cls.with_names(given).items():
            plain = value.tolist() if hasattr(value, "tolist") else value  # of numpy
            is_given = plain is not None and not (isinstance(plain, list | tuple) and not plain)
            if is_given and name not in cls.removed:
                read[options[name].name] = options[name].read(plain)
        return read

    @classmethod
    def _check(cls, values: Mapping[str, Any]) -> Self:
        """Return the options with these values by field. Raise BadOption."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadOption(cls._refusal(error.errors()[0])) from None

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the defaults that differ from the usual ones with these options, such as a demo's.

        given: by field, each of its option's type
        """
        return {}

    def idle(self, given: Mapping[str, Any]) -> Iterable[str]:
        """Yield a message for each given option that has no effect together with the others."""
        return ()

    @classmethod
    def _refusal(cls, error: ErrorDetails) -> str:
        """Return one line about what pydantic refuses."""
        facts = error.get("ctx", {})
        if not error["loc"]:  # our own check of several options
            return str(facts["error"])
        option = cls.option(str(error["loc"][0]))
        if error["type"] == "missing":
            return f"{option.flag} is missing; give it, or see {cls.program} --help"
        match facts:
            case {"error": why}:
                wrong = str(why)
            case {"expected": _}:
                wrong = f"is unknown; give {one_of(option.choices)}"
            case {"ge": 0}:
                wrong = "is negative; give 0 or more"
            case {"ge": least}:
                wrong = f"is too few; give at least {least}"
            case {"gt": 0}:
                wrong = "is not positive; give more than 0"
            case {"le": most}:
                wrong = f"is out of range; give at most {most:.10g}"
            case _:
                _, wrong = _TAKEN[option.kind]
        return option.refusal(error["input"], wrong)


def check(holds: bool, otherwise: str) -> None:
    """Raise BadOption with the message `otherwise` unless `holds`."""
    if not holds:
        raise BadOption(otherwise)


def parsed(parse: Callable[[_Asked], _Parsed], given: _Asked, name: str) -> _Parsed:
    try:
        return parse(given)
    except ValueError as error:
        raise BadOption(f"--{name}: {error}") from error


def one_of(values: Sequence[str]) -> str:
    return " or ".join(values) if len(values) == 2 else f"one of {', '.join(values)}"
