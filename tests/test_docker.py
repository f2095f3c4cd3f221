"""The images install what pyproject.toml says and nothing beside it, and run as nobody in particular.

No image is built here: that takes minutes and a Docker daemon.
"""

import configparser
import os
import re
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from orchestrator.service.cli import ServeOptions
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import serving

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = (ROOT / "docker" / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
GPU: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "gpu.yaml").read_text())["services"]


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


def test_the_workflow_runs_the_commands_of_the_readme_on_every_python_that_is_supported() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make check", "make test"]
    classifiers = PROJECT["project"]["classifiers"]
    supported = [line.rpartition(" ")[2] for line in classifiers if re.search(r":: 3\.\d+$", line)]
    assert job["strategy"]["matrix"]["python"] == supported


def test_the_unit_of_systemd_starts_the_command_with_options_that_it_has() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((ROOT / "docker" / "nas-serve.service").read_text())
    program, *words = unit["Service"]["ExecStart"].split()
    assert Path(program).name in PROJECT["project"]["scripts"]
    given = {word for word in words if word.startswith("--")}
    assert given <= {option.flag for option in ServeOptions.options().values()}
    assert unit["Service"]["WorkingDirectory"] == unit["Service"]["ReadWritePaths"]


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
    assert copied() >= set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_the_build_is_sent_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {line.removeprefix("!") for line in rules if line.startswith("!")} == copied()
    assert all((ROOT / name).exists() for name in copied())


def copied() -> set[str]:
    """What the build stage copies out of the repository."""
    return {name for words in stages()["build"] if words[0] == "COPY" for name in words[1:-1]}


def test_both_images_can_be_asked_for() -> None:
    assert {"trainer", "orchestrator"} <= set(stages())
    assert stages()["trainer"][0] == ["ENTRYPOINT", '["python",', '"-P",', '"-m",', '"trainer"]']
    command = " ".join(stages()["orchestrator"][-1])
    assert re.search(r'"([\w-]+)"', command)[1] in PROJECT["project"]["scripts"]  # type: ignore[index]


def test_no_image_runs_as_root() -> None:
    users = [words[1] for words in stages()["run"] if words[0] == "USER"]
    [user] = users
    added = next(" ".join(words) for words in stages()["run"] if "useradd" in words)
    assert f"--uid {user} nomad" in added, "a number, so that a host can tell that it is not 0"
    assert int(user) > 0
    assert all(words[0] != "USER" for name in ("trainer", "orchestrator") for words in stages()[name])
    assert [words[1] for words in instructions() if words[:1] == ["FROM"]][-2:] == ["run", "run"]


def test_the_base_is_an_argument_that_meets_the_required_python() -> None:
    base = next(words[1] for words in instructions() if words[0] == "ARG")
    version = re.fullmatch(r"BASE=python:3\.(\d+)-slim", base)
    assert version is not None
    assert f">=3.{int(version[1])}" >= PROJECT["project"]["requires-python"]
    assert f"BASE: ${{BASE:-{base.removeprefix('BASE=')}}}" in COMPOSE


def test_compose_builds_the_orchestrator_and_keeps_its_runs() -> None:
    service = SERVICES["service"]
    assert service["build"]["target"] == "orchestrator"
    assert (ROOT / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    workdir = next(words[1] for words in stages()["run"] if words[0] == "WORKDIR")
    assert f"runs:{workdir}/runs" in service["volumes"]
    assert service["environment"]["NAS_DB"] == f"${{NAS_DB:-{workdir}/runs/results.db}}"


def test_compose_serves_the_host_alone_on_the_port_that_is_exposed() -> None:
    service = SERVICES["service"]
    assert service["command"][0] in PROJECT["project"]["scripts"]
    [exposed] = [words[1] for words in stages()["orchestrator"] if words[0] == "EXPOSE"]
    assert service["ports"] == [f"127.0.0.1:{exposed}:{exposed}"]
    assert f"http://127.0.0.1:{exposed}/api/health" in service["healthcheck"]["test"][-1]


def test_the_health_check_passes_only_where_a_service_works(tmp_path: Path) -> None:
    program, *words = SERVICES["service"]["healthcheck"]["test"][1:]
    assert program == "python"
    with serving(tmp_path) as client:
        words[-1] = words[-1].replace("8420", str(client.base_url.port))
        beside = {**os.environ, "http_proxy": "http://127.0.0.1:9"}
        check = partial(
            subprocess.run, [sys.executable, *words], env=beside, capture_output=True, check=False
        )
        assert eventually(lambda: check().returncode == 0, 20)
        Path(tmp_path / "results.db").unlink()
        assert check().returncode == 1
    assert check().returncode == 1


def test_gpus_are_asked_for_by_a_file_beside_it() -> None:
    [device] = GPU["service"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert set(GPU) <= set(SERVICES)
    assert "deploy" not in SERVICES["service"]


def test_postgresql_is_begun_only_where_it_is_asked_for() -> None:
    assert SERVICES["database"]["profiles"] == ["postgresql"]
    assert "postgresql" in PROJECT["project"]["optional-dependencies"]


def test_every_volume_that_compose_mounts_is_declared() -> None:
    declared = set(yaml.safe_load(COMPOSE)["volumes"])
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert mounted == declared


def test_every_command_that_the_comments_show_is_the_project_s() -> None:
    comments = "\n".join(line for line in COMPOSE.splitlines() if line.startswith("#"))
    shown = set(re.findall(r"\b((?:nas|hpo)-[a-z]+)\b", comments)) - {"nomad-nas"}
    assert {"nas-serve", "nas-results", "nas-search"} <= shown <= set(PROJECT["project"]["scripts"])
