"""Nothing that is read from a disk or a network is run: no pickle is loaded, no shell is asked."""

import ast
from pathlib import Path
from typing import TypeGuard

import pytest

from orchestrator.trainer_client import TrainerRefused
from tests.orchestrator._studies import run

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("orchestrator", "results", "search_spaces", "trainer")
LOADERS = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "multiprocessing"}
RUNNERS = {"eval", "exec", "run_path", "system", "popen", "read_pickle", "getoutput", "getstatusoutput"}
WORDS = {*LOADERS, *(f"{name}(" for name in RUNNERS), "shell", ".load("}  # a file without any is not parsed
# the user's own network and space, given by the path of their file; and the word for what torch raises
ALLOWED = {
    "trainer/models/_own.py: exec",
    "search_spaces/_own.py: run_path",
    "trainer/checkpoint.py: pickle",
}


def test_no_module_can_load_a_pickle_or_ask_a_shell() -> None:
    assert set(dangers(ROOT)) == ALLOWED


def test_of_pickle_only_the_name_of_its_error_is_used() -> None:
    source = (ROOT / "trainer" / "checkpoint.py").read_text()
    used = [node.attr for node in ast.walk(ast.parse(source)) if is_of(node, "pickle")]
    assert used == ["UnpicklingError"]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from dill import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(words, shell=True)",
        "os.system(words)",
        "eval(text)",
        "yaml.load(text)",
    ],
)
def test_a_way_to_run_what_was_read_is_seen(tmp_path: Path, source: str) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "x.py").write_text(source)
    assert len(dangers(tmp_path)) == 1


def test_the_name_of_a_data_set_is_run_by_nobody(tmp_path: Path) -> None:
    name = "fake:;touch owned;$(touch owned)`touch owned`"
    with pytest.raises(TrainerRefused):
        run(tmp_path, data=name)
    assert not list(tmp_path.rglob("owned"))
    assert not Path("owned").exists()


def dangers(root: Path) -> list[str]:
    """Each module with what it calls or imports that could run what it reads."""
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    suspects = [path for path in paths if any(word in path.read_text() for word in WORDS)]
    nodes = [(path, node) for path in suspects for node in ast.walk(ast.parse(path.read_text()))]
    named = [(path.relative_to(root), danger(node)) for path, node in nodes]
    return [f"{path}: {name}" for path, name in named if name]


def danger(node: ast.AST) -> str:
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [getattr(node, "module", None) or alias.name for alias in node.names]
        return next((name for name in modules if name.partition(".")[0] in LOADERS), "")
    if not isinstance(node, ast.Call):
        return ""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in RUNNERS and (called not in ("eval", "exec") or isinstance(node.func, ast.Name)):
        return called  # a network's own eval() is another thing
    given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    if given.get("shell", False) is not False or given.get("allow_pickle", False) is not False:
        return called
    unsafe = is_of(node.func, "torch") and called == "load" and given.get("weights_only") is not True
    return called if unsafe or (is_of(node.func, "yaml") and called == "load") else ""


def is_of(node: ast.AST, module: str) -> TypeGuard[ast.Attribute]:
    """Whether it is `module.something`."""
    return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == module
