"""The images of docker/, built and run: `make test-docker`, with Docker, or as root with buildah.

Where the usual does not do, IMAGE_BASE is the base image, and IMAGE_OPTIONS are more options of a build, such
as a volume with the settings of pip.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.trainer.configs import trial

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[1]
USER = 10001
BUILDAH = ("buildah", "--storage-driver", "vfs")
MODULE = ("python", "-P", "-m", "trainer")  # the trainer image's entry point, which buildah does not run


def out(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def has_docker() -> bool:
    """Whether Docker is here and its engine answers."""
    is_here = shutil.which("docker") is not None
    return is_here and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode


class Engine:
    """What builds and runs the images here."""

    def __init__(self) -> None:
        self.is_docker = has_docker()
        if not self.is_docker and (shutil.which("buildah") is None or os.geteuid() != 0):
            pytest.fail("neither docker nor, as root, buildah is here; install one")
        self.built, self.container = "", ""  # the target, and buildah's container of it

    def build(self, target: str) -> None:
        """Build an image, unless it is the one that was built last. Only one is kept: each has gigabytes."""
        if target == self.built:
            return
        self.close()
        self.built = target
        base = os.environ.get("IMAGE_BASE")
        options = [*(["--build-arg", f"BASE={base}"] if base else [])]
        options += shlex.split(os.environ.get("IMAGE_OPTIONS", ""))
        words = ["-f", "docker/Dockerfile", "--target", target, "-t", self.name(target), *options, "."]
        own = ["docker", "build"] if self.is_docker else [*BUILDAH, "build", "--isolation", "chroot"]
        subprocess.run([*own, *words], check=True, cwd=ROOT)
        if not self.is_docker:
            self.container = out(*BUILDAH, "from", self.name(target))
        print(f"{target}: {self.size(target)}")  # noqa: T201 for docs/service.md

    def name(self, target: str) -> str:
        return f"localhost/nomad-nas-test-{target}"

    def command(self, target: str, *words: str, folder: Path | None = None) -> list[str]:
        """The command line that runs these words in a container, with a folder at /shared."""
        self.build(target)
        if self.is_docker:
            volume = ["-v", f"{folder}:/shared"] if folder else []
            return ["docker", "run", "--rm", "--network", "host", *volume, self.name(target), *words]
        volume = ["-v", f"{folder}:/shared:rw"] if folder else []
        entry = MODULE if target == "trainer" else ()
        own = [*BUILDAH, "run", "--isolation", "chroot", "--network", "host", "--user", str(USER), *volume]
        return [*own, self.container, "--", *entry, *words]

    def size(self, target: str) -> str:
        if self.is_docker:
            return out("docker", "image", "inspect", "-f", "{{.Size}}", self.name(target))
        told = json.loads(out(*BUILDAH, "images", "--json", self.name(target)))
        return str(told[0]["size"])

    def close(self) -> None:
        if not self.built:
            return
        if self.container:
            subprocess.run([*BUILDAH, "rm", self.container], check=False, capture_output=True)
        remove = ["docker", "rmi"] if self.is_docker else [*BUILDAH, "rmi"]
        subprocess.run([*remove, self.name(self.built)], check=False, capture_output=True)
        self.built = self.container = ""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    found = Engine()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that the image's user may write to."""
    tmp_path.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o755)
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o777)
    return work


def test_the_demo_runs_as_the_images_own_user(engine: Engine, shared: Path) -> None:
    few = (
        "--trials",
        "4",
        "--replicates",
        "2",
        "--budget",
        "20steps",
        "--runs",
        "/shared/runs",
        "--device",
        "cpu",
    )
    words = engine.command("orchestrator", "nas-search", "--base", "senet18", "--demo", *few, folder=shared)
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    assert ended.returncode == 0, ended.stderr
    assert "finished: the search has spent its 4 trainings" in ended.stdout
    assert (shared / "runs" / "results.db").stat().st_uid == USER


def test_the_service_asks_for_its_token(engine: Engine, shared: Path) -> None:
    runs = ("--runs", "/shared/runs")
    made = engine.command("orchestrator", "nas-serve", "--new-token", *runs, folder=shared)
    printed = subprocess.run(made, capture_output=True, text=True, check=True, timeout=600).stdout
    token = max(re.findall(r"\S+", printed), key=len)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = engine.command(
        "orchestrator", "nas-serve", *runs, "--port", str(port), "--host", "127.0.0.1", folder=shared
    )
    with subprocess.Popen(words) as service:
        try:
            url, deadline = f"http://127.0.0.1:{port}/api/studies", time.monotonic() + 300
            while True:
                try:
                    refused = httpx.get(url)
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.5)
            assert refused.status_code == 401
            assert httpx.get(url, headers={"authorization": f"Bearer {token}"}).json() == []
        finally:
            service.terminate()
            service.wait(60)


def test_the_trainer_s_image_trains_a_configuration(engine: Engine, shared: Path) -> None:
    (shared / "trial.json").write_text(json.dumps(trial()))
    words = engine.command("trainer", "train", "--config", "/shared/trial.json", folder=shared)
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert events[-1]["event"] == "final"
