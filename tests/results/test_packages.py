"""A distribution that would run in place of ours is seen, whichever way it tells what it holds."""

import importlib.metadata
from pathlib import Path

import pytest

from results import packages


def install(folder: Path, name: str, **files: str) -> None:
    """Write what an installer leaves of a distribution, the files of its RECORD among it."""
    held = folder / f"{name}-1.0.dist-info"
    held.mkdir()
    (held / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file, text in files.items():
        (held / file.replace("_txt", ".txt")).write_text(text)
    for line in files.get("RECORD", "").splitlines():
        module = folder / line.partition(",")[0]
        module.parent.mkdir(parents=True, exist_ok=True)
        module.touch()


@pytest.mark.parametrize(
    "files",
    [
        {"RECORD": "own/a.py,,\ntrainer/__init__.py,,\n"},
        {"RECORD": "trainer.py,sha256=x,9\n"},
        {"top_level_txt": "own\ntrainer\n"},
    ],
)
def test_another_distribution_with_a_package_of_our_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    install(tmp_path, "sports", **files)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.metadata.packages_distributions()["trainer"][0] == "sports"
    said = packages.clash()
    assert said is not None
    assert said.startswith(
        "the installed distribution 'sports' also has a package named 'trainer'; use a clean"
    )


def test_packages_within_others_and_our_own_are_no_clash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "sports", RECORD="own/trainer/__init__.py,,\ntrainers/a.py,,\n")
    install(tmp_path, "nomad-nas", RECORD="trainer/__init__.py,,\nresults/__init__.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert packages.clash() is None
