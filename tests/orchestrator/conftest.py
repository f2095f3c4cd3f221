"""What tests of forked trainings have in common."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.executors import Executor, local
from tests import inline
from tests.orchestrator import _slurm
from tests.orchestrator._processes import HOSTING_TRAINER, eventually, naming
from tests.orchestrator._ray import Cluster, cluster


@pytest.fixture(scope="package", autouse=True)
def _inline_is_an_executor() -> Iterator[None]:
    with inline.offered():
        yield


@pytest.fixture(scope="session")
def three_nodes() -> Iterator[Cluster]:
    """A Ray cluster for all tests that leave it whole."""
    with cluster(3) as opened:
        yield opened


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[_slurm.Cluster]:
    """A SLURM cluster for all tests; each leaves it with both nodes up and no job."""
    if why := _slurm.missing():
        pytest.skip(why)
    with _slurm.cluster() as opened:
        yield opened


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A trainer that knows `host`, under a name of this test's own; no process of it outlives the test."""
    (tmp_path / "hosting.py").symlink_to(HOSTING_TRAINER)
    yield sys.executable, str(tmp_path / "hosting.py")
    assert eventually(lambda: naming(tmp_path) == [])


@pytest.fixture
def executor(trainer: tuple[str, str]) -> Iterator[Executor]:
    opened = local.create("cpu", slots=1, trainer=trainer)
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def heedless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have solvers ignore what is known before training, as those of a plug-in may."""
    monkeypatch.setattr("orchestrator.spec.study_spec.SOLVER_VERSION", 1)
