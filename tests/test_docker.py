"""The images install what pyproject.toml says and nothing beside it, and run as nobody in particular.

No image is built here: that takes minutes and a Docker daemon.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = (ROOT / "docker" / "compose.yaml").read_text()


def instructions() -> list[list[str]]:
    """The Dockerfile's instructions, each as its words."""
    text = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def stages() -> dict[str, list[list[str]]]:
    """The instructions of each stage, by its name."""
    found: dict[str, list[list[str]]] = {}
    for words in instructions():
        if words[0] == "FROM":
            found[words[-1]] = []
        elif found:
            found[next(reversed(found))].append(words)
    return found


def test_the_project_is_the_only_thing_that_is_installed() -> None:
    runs = [words[1:] for words in instructions() if words[0] == "RUN" and "install" in words]
    pip = [words for words in runs if words[0].endswith("pip")]
    extras = PROJECT["project"]["optional-dependencies"]
    assert len(pip) == 1
    project = re.fullmatch(r'"\.\[(\w+)\]"', pip[0][-1])
    assert project is not None, pip[0]
    assert project[1] in extras
    assert pip[0][1:-1] == ["install"]
    assert not any("apt" in word for words in runs for word in words)


def test_the_build_has_every_package_of_the_wheel() -> None:
    copied = {words[1] for words in stages()["build"] if words[0] == "COPY"}
    assert copied >= set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_both_images_can_be_asked_for() -> None:
    assert {"trainer", "orchestrator"} <= set(stages())
    assert stages()["trainer"][0] == ["ENTRYPOINT", '["python",', '"-P",', '"-m",', '"trainer"]']
    command = " ".join(stages()["orchestrator"][-1])
    assert re.search(r'"([\w-]+)"', command)[1] in PROJECT["project"]["scripts"]  # type: ignore[index]


def test_no_image_runs_as_root() -> None:
    users = [words[1] for words in stages()["run"] if words[0] == "USER"]
    assert users == ["nomad"]
    assert all(words[0] != "USER" for name in ("trainer", "orchestrator") for words in stages()[name])
    assert [words[1] for words in instructions() if words[:1] == ["FROM"]][-2:] == ["run", "run"]


def test_the_base_is_an_argument_that_meets_the_required_python() -> None:
    base = next(words[1] for words in instructions() if words[0] == "ARG")
    version = re.fullmatch(r"BASE=python:3\.(\d+)-slim", base)
    assert version is not None
    assert f">=3.{int(version[1])}" >= PROJECT["project"]["requires-python"]
    assert f"BASE: ${{BASE:-{base.removeprefix('BASE=')}}}" in COMPOSE


def test_compose_builds_the_orchestrator_with_a_gpu_and_keeps_its_runs() -> None:
    assert "target: orchestrator" in COMPOSE
    assert "dockerfile: docker/Dockerfile" in COMPOSE
    assert "capabilities: [gpu]" in COMPOSE
    workdir = next(words[1] for words in stages()["run"] if words[0] == "WORKDIR")
    assert f"- runs:{workdir}/runs" in COMPOSE
