"""The rules that keep the project in parts, held against its own source.

Each check takes the folder to look at and returns what is wrong there, so that a made-up tree that breaks the
rule can show that the check would see it.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "search_spaces": set[str](),
    "results": set[str](),
    "trainer": set[str](),
    "orchestrator": {"search_spaces", "results"},
}
# the folders and modules of a package, each of which imports only what stands after it
LAYERS = {
    "orchestrator": (
        *("service", "cli", "api", "trained_models", "training", "evaluation", "study", "search", "console"),
        *("trial", "spec", "pruners", "trainer_client", "solvers", "executors", "problem", "spec.problem"),
        *("awake", "exit_codes"),
    ),
    "results": (
        *(
            "cli",
            "report",
            "plots",
            "optuna_mirror",
            "tensorboard_mirror",
            "mirror",
            "model_facts",
            "study_words",
            "no_winner",
        ),
        *(
            "study_record",
            "export",
            "queries",
            "latency",
            "weights",
            "latency",
            "tables",
            "constraints",
            "format",
            "analysis",
        ),
        *("db", "terminal", "packages", "errors", "layers"),
        *("scores", "metrics", "file_names"),
    ),
}
NAME_WORDS = 4
# `load_model` returns the trainer's objects, so only it needs torch, and only while it runs
LAZY_IMPORTS = ["orchestrator/api.py imports trainer"]
LOADERS = ("import_module", "__import__", "run_module")


def test_no_package_imports_what_it_may_not() -> None:
    assert forbidden_imports(ROOT) == LAZY_IMPORTS


def test_the_trainer_is_imported_only_while_a_model_is_loaded() -> None:
    importing = [
        function.name
        for function in functions(ROOT / "orchestrator" / "api.py")
        if any("trainer" in imported(node, ("orchestrator",)) for node in ast.walk(function))
    ]
    assert importing == ["load_model"]


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_only_what_stands_below_it(package: str) -> None:
    assert upward_imports(ROOT, package) == []


@pytest.mark.parametrize("package", LAYERS)
def test_every_module_of_a_package_in_layers_has_one(package: str) -> None:
    tops = {path.relative_to(ROOT / package).parts[0].removesuffix(".py") for path in layered(ROOT, package)}
    assert tops == {layer.partition(".")[0] for layer in LAYERS[package]}


def test_the_name_of_a_test_is_a_sentence() -> None:
    assert short_names(ROOT) == []


def test_no_test_leaves_a_connection_open() -> None:
    """Python 3.13 tells of one in whichever test runs next.

    Optuna keeps those of a storage that it opens, and a `with` of a connection only ends its transaction.
    """
    by_url = re.compile(r"storage=f?[\"']sqlite|with sqlite3\.connect\(")
    assert by_url.search('optuna.load_study(storage=f"sqlite:///{file}")')
    assert by_url.search("with sqlite3.connect(file) as database:")
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if by_url.search(path.read_text())] == [
        Path(__file__).name
    ]


def test_the_wheel_has_every_package_and_no_other_folder() -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = written["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert set(packages) == found == set(MAY_IMPORT)


def test_a_folder_of_modules_is_a_package_so_that_the_wheel_has_it() -> None:
    folders = {path.parent for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")}
    bare = {str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()}
    assert bare <= {"results/db/migrations/versions"}, "alembic reads its versions as files"


IMPORT_ALL = """
import importlib, pathlib, sys
for package in ("search_spaces", "results", "orchestrator"):
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        parts = path.with_suffix("").parts
        if parts[-1] != "__main__" and "migrations" not in parts:  # those two do something when imported
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_record_and_the_search_are_read_without_torch() -> None:
    """One process for all, each package after those that know less of the others."""
    command = [sys.executable, "-c", IMPORT_ALL]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    _, read, searched = (set(line.split()) for line in printed.splitlines())
    assert {"search_spaces", "results"} <= read
    assert read.isdisjoint({"torch", "torchvision", "PyNomad", "optuna", "orchestrator"})
    assert "orchestrator" in searched
    assert searched.isdisjoint({"torch", "torchvision", "PyNomad", "trainer"})


@pytest.mark.parametrize(
    ("path", "source", "seen"),
    [
        ("results/db/store.py", "import orchestrator.search.loop", "orchestrator"),
        ("search_spaces/space.py", "def late():\n    from results.db.store import Store", "results"),
        ("orchestrator/search/loop.py", "from trainer import config", "trainer"),
        ("orchestrator/search/loop.py", "from tests import fake_trainer", "tests"),
        ("orchestrator/solvers/nomad.py", "from ...trainer import config", "trainer"),
        ("orchestrator/solvers/nomad.py", "from ... import trainer", "trainer"),
        ("trainer/train.py", "import importlib\nimportlib.import_module('results.db.store')", "results"),
        ("trainer/train.py", "__import__('search_spaces')", "search_spaces"),
        ("trainer/train.py", "import_module(f'orchestrator.{name}')", "orchestrator"),
    ],
)
def test_a_forbidden_import_is_seen(tmp_path: Path, path: str, source: str, seen: str) -> None:
    write(tmp_path / path, source)
    assert forbidden_imports(tmp_path) == [f"{path} imports {seen}"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("orchestrator/trial/runner.py", "from orchestrator.search import budget"),
        ("orchestrator/trial/runner.py", "from orchestrator.search.budget import StudyBudget"),
        ("orchestrator/trial/runner.py", "def late():\n    import orchestrator.cli.main"),
        ("orchestrator/trial/runner.py", "from orchestrator import study"),
        ("orchestrator/solvers/nomad.py", "from orchestrator.spec import search_options"),
    ],
)
def test_an_import_of_a_higher_layer_is_seen(tmp_path: Path, path: str, source: str) -> None:
    for higher in ("search/budget.py", "cli/main.py", "study/run.py", "spec/search_options.py"):
        write(tmp_path / "orchestrator" / higher, "")
    write(tmp_path / path, source)
    [seen] = upward_imports(tmp_path, "orchestrator")
    assert seen.startswith(f"{path} imports orchestrator.")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("orchestrator/search/loop.py", "from results.db.store import Store\nimport search_spaces"),
        ("orchestrator/solvers/nomad.py", "from ..problem import Problem\nfrom . import _process"),
        ("orchestrator/solvers/__init__.py", "from ..problem import Problem"),
        ("trainer/models/__init__.py", "importlib.import_module(f'{__name__}.{name}')"),
        ("trainer/train.py", "import torch, json\nfrom trainer import config"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path: Path, path: str, source: str) -> None:
    write(tmp_path / path, source)
    assert forbidden_imports(tmp_path) == []


def test_a_test_that_is_no_sentence_is_seen(tmp_path: Path) -> None:
    write(tmp_path / "tests" / "test_store.py", "class TestStore:\n    def test_store_works(self): ...")
    assert short_names(tmp_path) == ["tests/test_store.py:test_store_works"]


def write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def forbidden_imports(root: Path) -> list[str]:
    """Every import, in any depth of the code, of a package of ours that the importing one may not know."""
    found = []
    for path in modules(root):
        package = path.relative_to(root).parts[:-1]
        ours = {*MAY_IMPORT, "tests"} - {package[0]} - MAY_IMPORT[package[0]]
        tops = [top for node in ast.walk(parsed(path)) for top in imported(node, package)]
        found += [f"{path.relative_to(root)} imports {top}" for top in tops if top in ours]
    return found


def upward_imports(root: Path, package: str) -> list[str]:
    """Every import of a module whose layer stands before that of the importing one."""
    order = {layer: position for position, layer in enumerate(LAYERS[package])}
    found = []
    for path in layered(root, package):
        own = layer_of(".".join(path.relative_to(root).with_suffix("").parts), order)
        asked = {name for node in ast.walk(parsed(path)) for name in modules_imported(node, root, package)}
        higher = sorted(name for name in asked if order[layer_of(name, order)] < order[own])
        found += [f"{path.relative_to(root)} imports {name}" for name in higher]
    return found


def layered(root: Path, package: str) -> list[Path]:
    return sorted(path for path in (root / package).rglob("*.py") if path != root / package / "__init__.py")


def layer_of(module: str, order: Collection[str]) -> str:
    """The longest name of a layer that the module's begins with."""
    parts = module.split(".")[1:]
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next(name for name in names if name in order)


def modules_imported(node: ast.AST, root: Path, package: str) -> list[str]:
    """The modules of `package` that a node imports, if it is an import at all."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.startswith(f"{package}.")]
    if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] != package:
        return []
    base = str(node.module)
    full = {f"{base}.{alias.name}": root.joinpath(*base.split("."), alias.name) for alias in node.names}
    inner = [name for name, path in full.items() if path.is_dir() or path.with_suffix(".py").exists()]
    return inner or ([base] if base != package else [])


def imported(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """The top-level packages that a node of a module in `package` imports, if it is an import at all."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else ()
        parts = [*base, *(node.module or "").split(".")]
        return [next(filter(None, parts))] if any(parts) else [alias.name for alias in node.names]
    if isinstance(node, ast.Call) and node.args and called(node.func) in LOADERS:
        return [beginning(node.args[0]).partition(".")[0]]
    return []


def called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def beginning(text: ast.expr) -> str:
    """What a string is known to begin with; nothing for one that begins with a variable."""
    first = text.values[0] if isinstance(text, ast.JoinedStr) and text.values else text
    return str(first.value) if isinstance(first, ast.Constant) else ""


def short_names(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{function.name}"
        for path in sorted((root / "tests").rglob("test_*.py"))
        for function in functions(path)
        if function.name.startswith("test_") and len(function.name.split("_")) <= NAME_WORDS
    ]


def modules(root: Path) -> Iterator[Path]:
    for package in MAY_IMPORT:
        yield from sorted((root / package).rglob("*.py"))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))
