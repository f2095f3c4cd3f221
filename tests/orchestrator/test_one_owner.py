"""A fact is given once: what a class is built from, the name of a file, the meaning of an exit code."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from orchestrator.exit_codes import ExitCode
from results import file_names
from trainer.errors import TrialError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("console", "evaluation", "pruners", "search", "study", "trial")
MOST_ARGUMENTS = 5
FILES = {name: file for name, file in vars(file_names).items() if name.isupper()}


def test_no_constructor_takes_more_than_five_arguments() -> None:
    assert wide_constructors(classes()) == []


def test_nothing_replaces_what_it_was_constructed_with() -> None:
    sources = (path for package in PACKAGES for path in (ROOT / "orchestrator" / package).glob("*.py"))
    assert [found for path in sources for found in rewrites(path.read_text())] == []


def test_a_file_s_name_is_written_in_one_place() -> None:
    sources = [path for package in ("orchestrator", "results") for path in (ROOT / package).rglob("*.py")]
    others = [path for path in sources if path.name != "file_names.py"]
    assert [
        f"{path.relative_to(ROOT)}: {text}" for path in others for text in spelled(path.read_text())
    ] == []


def test_the_trainer_and_the_orchestrator_mean_the_same_by_an_exit_code() -> None:
    of_trainer = {kind.exit_code: kind.reason for kind in TrialError.__subclasses__()}
    by_signal = {ExitCode.KILLED, ExitCode.STOPPED}
    assert {int(code): code.name.lower() for code in set(ExitCode) - by_signal} == of_trainer
    ends_on_a_signal = re.search(r"SIGTERM, .*_exit\((\d+)\)", (ROOT / "trainer" / "__main__.py").read_text())
    assert ends_on_a_signal
    assert int(ends_on_a_signal[1]) == ExitCode.STOPPED


def test_no_other_module_gives_an_exit_code_a_name_of_its_own() -> None:
    named = re.compile(rf"^_?({'|'.join(ExitCode.__members__)})\w* = \d", re.MULTILINE)
    assert named.search("DEVICE_LOST = 6  # a trainer's")
    sources = [path for path in (ROOT / "orchestrator").rglob("*.py") if path.name != "exit_codes.py"]
    assert [path.name for path in sources if named.search(path.read_text())] == []


class Wide:
    def __init__(self, a: int, b: int, c: int, d: int, e: int, f: int) -> None: ...


@dataclasses.dataclass
class WideState:
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    counted: int = dataclasses.field(default=0, init=False)


def test_a_wide_constructor_is_seen_and_a_record_is_none() -> None:
    record = dataclasses.make_dataclass("Record", list("abcdef"), frozen=True)
    assert wide_constructors([Wide, WideState, record]) == ["Wide takes 6", "WideState takes 6"]


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n def __init__(self, b): self.b = b\n def c(self): self.b = 1",
        "class A:\n def __init__(self, b): self._b = b\n def c(self): self._b |= {1}",
        "@dataclass\nclass A:\n b: int\n def c(self): self.b = 1",
        "class A:\n def c(self): object.__setattr__(self, 'b', 1)",
        "class A:\n def c(self): return replace(self, b=1)",
    ],
)
def test_a_class_that_replaces_what_it_was_given_is_seen(source: str) -> None:
    assert len(rewrites(source)) == 1


def test_state_that_nobody_gave_may_change() -> None:
    source = "@dataclass\nclass A:\n b: int = field(default=0, init=False)\n def c(self): self.b = 1"
    assert rewrites(source) == []


def test_a_file_s_name_in_code_is_seen_and_one_in_prose_is_none() -> None:
    assert spelled('"""Read trial.json."""\npath = folder / "trial.json"\nf"{folder}/log.txt"') == [
        "trial.json",
        "/log.txt",
    ]


def classes() -> Iterator[type]:
    for package in PACKAGES:
        folder = importlib.import_module(f"orchestrator.{package}").__path__
        for found in pkgutil.iter_modules(folder, f"orchestrator.{package}."):
            module = importlib.import_module(found.name)
            yield from (
                c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == found.name
            )


def wide_constructors(kinds: Iterable[type]) -> list[str]:
    """Every class whose constructor takes more than MOST_ARGUMENTS, but for frozen dataclasses: records."""
    counts = {
        kind.__name__: len(inspect.signature(kind.__init__).parameters) - 1  # type: ignore[misc]
        for kind in kinds
        if not is_record(kind)
    }
    return [f"{name} takes {count}" for name, count in counts.items() if count > MOST_ARGUMENTS]


def is_record(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009


def rewrites(source: str) -> list[str]:
    """Every place where a class assigns anew, or copies itself with, what its constructor was given."""
    found = []
    for kind in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)):
        given = {name for node in kind.body for name in names_given(node)}
        for method in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
            if method.name not in ("__init__", "__post_init__"):
                found += [f"{kind.name}.{method.name}" for node in ast.walk(method) if replaces(node, given)]
    return found


def names_given(node: ast.stmt) -> list[str]:
    """The names of a constructor's arguments: those of `__init__`, or a dataclass's fields."""
    if isinstance(node, ast.FunctionDef) and node.name == "__init__":
        return [argument.arg for argument in (*node.args.args[1:], *node.args.kwonlyargs)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        is_state = node.value is not None and "init=False" in ast.unparse(node.value)
        return [] if is_state else [node.target.id]
    return []


def replaces(node: ast.AST, given: set[str]) -> bool:
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        is_itself = bool(node.args) and ast.unparse(node.args[0]) == "self"
        return is_itself and called in ("object.__setattr__", "replace", "dataclasses.replace")
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    flat = [one for target in targets for one in getattr(target, "elts", [target])]
    own = [one for one in flat if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self"]
    return any(one.attr.removeprefix("_") in given for one in own)


def spelled(source: str) -> list[str]:
    """Every string that is the name of one of our files, or a path to it."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and text.rpartition("/")[2] in FILES.values()]
