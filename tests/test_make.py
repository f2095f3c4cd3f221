"""What `make` and `.ci/run` do with the Pythons of a machine. The Pythons are scripts; all else is real."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# says its version, and makes environments whose Python is itself
PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) echo "{said}" ;;
"-m venv")
  for folder in "$@"; do :; done
  [ "$3" != --clear ] || rm -r "$folder"
  mkdir -p "$folder/bin"
  [ -e "$folder/bin/python" ] || cp "$0" "$folder/bin/python" ;;
esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def install(checkout: Path, python: Path) -> Path:
    """Let `make` make the environment: the Python in it."""
    command = ["make", "install", f"PYTHON={python}", "VENV=environment"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return checkout / "environment" / "bin" / "python"


def test_another_python_makes_the_environment_anew_and_the_same_one_keeps_it(checkout: Path) -> None:
    old = script(checkout / "old", PYTHON.format(said="3.11 /usr"))
    new = script(checkout / "new", PYTHON.format(said="3.13 /usr"))
    made = install(checkout, old)
    (left := made.parent / "left").touch()
    assert install(checkout, old).read_text() == old.read_text()
    assert left.exists()
    assert install(checkout, new).read_text() == new.read_text()
    assert not left.exists()


def test_an_environment_whose_making_was_cut_off_is_made_anew_by_another_python(checkout: Path) -> None:
    made = install(checkout, script(checkout / "old", PYTHON.format(said="3.11 /usr")))
    (made.parents[1] / "installed").unlink()
    new = script(checkout / "new", PYTHON.format(said="3.11 /opt"))
    assert install(checkout, new).read_text() == new.read_text()


def test_a_folder_that_make_did_not_make_is_not_cleared(checkout: Path) -> None:
    (checkout / "environment").mkdir()
    (checkout / "environment" / "mine").touch()
    install(checkout, script(checkout / "python", PYTHON.format(said="3.11 /usr")))
    assert (checkout / "environment" / "mine").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The programs of a machine without any Python, whose `make` tells what it was asked for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "sort"):
        (programs / name).symlink_to(shutil.which(name) or name)
    script(programs / "make", '#!/bin/sh\necho "make $* with $PYTHON in ${VENV##*/}"\n')
    return programs


def continuous_integration(programs: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(programs), "PYENV_ROOT": str(programs.parent / "pyenv"), "HOME": os.devnull}
    command = [str(ROOT / ".ci" / "run")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_tests_run_on_the_oldest_and_the_newest_python(machine: Path) -> None:
    pythons = machine.parent / "pyenv" / "versions"
    for version in ("3.10.4", "3.11.2", "3.11.10", "3.12.1"):
        script(pythons / version / "bin" / "python3", PYTHON.format(said=version.rpartition(".")[0]))
    newest = script(machine / "python3.13", PYTHON.format(said="3.13"))
    oldest = pythons / "3.11.10" / "bin" / "python3"
    done = continuous_integration(machine)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        f"make check with {oldest} in oldest",
        f"make test with {oldest} in oldest",
        f"make test with {newest} in newest",
    ]


def test_where_there_is_one_python_the_tests_run_on_it_alone_and_that_is_said(machine: Path) -> None:
    only = script(machine / "python3", PYTHON.format(said="3.12"))
    script(machine / "python3.11", "#!/bin/sh\nexit 127\n")  # as pyenv's do where none is chosen
    done = continuous_integration(machine)
    assert done.returncode == 0, done.stderr
    *_, last, said = done.stdout.splitlines()
    assert last == f"make test with {only} in oldest"
    assert said == f"there is no second Python here; the tests ran on {only} alone"


def test_where_there_is_no_python_nothing_runs(machine: Path) -> None:
    done = continuous_integration(machine)
    assert (done.returncode, done.stdout) == (2, "")
    assert "install one" in done.stderr
