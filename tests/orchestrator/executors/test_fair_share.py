"""Whose turn it is at a GPU that several studies wait for. No study is a matter of who looks first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.executors._process.slots import take
from orchestrator.executors.local import fair_share
from orchestrator.executors.local.fair_share import FairShare
from tests.orchestrator._a_study import study
from tests.orchestrator._processes import eventually


@pytest.fixture
def gpus(tmp_path: Path) -> list[Path]:
    return [tmp_path / "locks" / f"GPU-{name}.lock" for name in "abc"]


@contextmanager
def holding(share: FairShare, *locks: Path) -> Iterator[None]:
    """While trials of the study run on these GPUs."""
    descriptors = [share.take(lock) for lock in locks]
    assert None not in descriptors
    yield
    for descriptor, lock in zip(descriptors, locks, strict=True):
        os.close(descriptor or 0)
        share.give_back(lock)


def takes(share: FairShare, lock: Path) -> bool:
    """Whether the study takes a GPU that is free; if so, a trial runs on it at once."""
    for _ in range(20):  # once would do, if nobody let a GPU go by chance
        if (descriptor := share.take(lock)) is not None:
            os.close(descriptor)
            share.give_back(lock)
            return True
    return False


def test_a_study_with_more_gpus_yields_to_one_that_waits_with_fewer(gpus: list[Path]) -> None:
    rich, poor = FairShare(gpus), FairShare(gpus)
    with holding(rich, gpus[0]):
        assert takes(rich, gpus[1])
        poor.wait()
        assert not takes(rich, gpus[1])
        assert takes(poor, gpus[1])
        poor.leave()
        assert takes(rich, gpus[1])


def test_studies_with_as_many_gpus_take_turns_even_if_the_last_served_looks_first(gpus: list[Path]) -> None:
    studies = [FairShare(gpus) for _ in range(3)]
    for each in studies:
        each.wait()
    turns: list[FairShare] = []
    for _ in range(9):
        turns.append(next(each for each in (*reversed(turns), *studies) if takes(each, gpus[0])))
    assert turns[:3] == turns[3:6] == turns[6:] == studies


def test_a_gpu_that_has_come_free_does_not_count_though_its_study_has_not_said_so(gpus: list[Path]) -> None:
    one, other = FairShare(gpus), FairShare(gpus)
    with holding(other, gpus[1]):
        one.wait()
        held = one.take(gpus[0])
        os.close(held or 0)  # its trial has ended, and the study not heard of it
        assert not takes(other, gpus[0])


def test_a_note_keeps_no_gpu_idle_that_its_study_does_not_want(gpus: list[Path]) -> None:
    some, other = FairShare(gpus[:1]), FairShare(gpus)
    some.wait()
    with holding(other, gpus[1]):
        assert not takes(other, gpus[0])
        assert takes(other, gpus[2])


def test_a_note_of_a_suspended_study_no_longer_stands(
    gpus: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep, other = FairShare(gpus), FairShare(gpus)
    asleep.wait()
    with holding(other, gpus[0]):
        assert not takes(other, gpus[1])
        monkeypatch.setattr(fair_share, "STALE_SECONDS", 0.0)
        assert takes(other, gpus[1])


def test_a_note_that_is_being_written_or_is_none_of_ours_is_passed_over(gpus: list[Path]) -> None:
    waits, other = FairShare(gpus), FairShare(gpus)
    waits.wait()
    with holding(other, gpus[0]):
        [note] = gpus[0].parent.glob("*.waiting")
        for text in ("", '[["GPU-b.lock"], [], 0.0,', "{}\n", '[["GPU-b.lock"], 7, 0.0, 0.0]\n'):
            note.write_text(text)
            assert takes(other, gpus[1])


def test_the_note_of_a_killed_study_is_removed(gpus: list[Path], tmp_path: Path) -> None:
    other, locks = FairShare(gpus), gpus[0].parent
    held = [take(lock) for lock in gpus]
    with study(tmp_path, 1, "pass", locks) as killed:
        assert eventually(lambda: list(locks.glob("*.waiting")) != [])
        killed.kill()
    for descriptor in held:
        os.close(descriptor or 0)
    with holding(other, gpus[0]):
        assert takes(other, gpus[1])
    assert list(locks.glob("*.waiting")) == []


# a trial that runs until it is let go
HOLD = (
    "import pathlib, time\nprint('runs', flush=True)\nwhile not pathlib.Path('go').exists(): time.sleep(.02)"
)


def test_gpus_go_round_among_studies_however_many_trials_of_one_wait(
    tmp_path: Path, gpus: list[Path]
) -> None:
    def begun(folder: Path) -> int:
        return sum(out.stat().st_size > 0 for out in folder.glob("*/out"))

    def let_one_go(folder: Path) -> None:
        running = [out.parent for out in folder.glob("*/out") if out.stat().st_size > 0]
        next(trial for trial in running if not (trial / "go").exists()).joinpath("go").touch()

    many, few, locks = tmp_path / "many", tmp_path / "few", gpus[0].parent
    for folder in (many, few):
        folder.mkdir()
    with study(many, 9, HOLD, locks) as first:
        assert eventually(lambda: begun(many) == 2)
        with study(few, 3, HOLD, locks) as second:
            assert eventually(lambda: list(locks.glob("*.waiting")) != [])
            for trial in range(1, 4):  # whenever one ends, of either study, it is the turn of `few`
                let_one_go(many if trial == 1 else few)
                assert eventually(lambda trial=trial: begun(few) == trial)  # type: ignore[misc]
                assert begun(many) == 2
            let_one_go(few)
            assert second.wait(timeout=20) == 0
        assert eventually(lambda: begun(many) == 3)
        first.kill()
