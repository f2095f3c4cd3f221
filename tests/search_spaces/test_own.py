"""Spaces in files of the user's own."""

from pathlib import Path

import pytest

import search_spaces
from search_spaces import Choice, Integer, Real, Space

TOML = """
[lr]
low = 0.001
high = 1.0
log = true

[layers]
low = 1
high = 6
start = 2

[momentum]
kind = "real"
low = 0
high = 1
granularity = 0.25

[width]
values = [8, 16, 32]
ordered = true

[activation]
values = ["relu", "tanh"]
"""


def test_a_table_is_a_variable_and_the_start_is_its_middle_or_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    found = search_spaces.load(str(path))
    assert found.name == "mine"
    assert found.space == Space(
        (
            Real("lr", 0.001, 1.0, log=True),
            Integer("layers", 1, 6),
            Real("momentum", 0.0, 1.0, granularity=0.25),
            Choice("width", (8, 16, 32), ordered=True),
            Choice("activation", ("relu", "tanh")),
        )
    )
    start = {"lr": 0.0316227766017, "layers": 2, "momentum": 0.5, "width": 16, "activation": "relu"}
    assert dict(found.start) == start
    assert found.parts(found.start) == {"hyperparameters": start}
    assert (found.is_own, found.checksum) == (True, None)


PROGRAM = "from search_spaces import Real, Space\ndef mine():\n    return {}\n"


@pytest.mark.parametrize(
    ("returned", "start"),
    [("Space((Real('lr', 0.0, 1.0),))", 0.5), ("(Space((Real('lr', 0.0, 1.0),)), {'lr': 0.25})", 0.25)],
)
def test_a_function_returns_a_space_or_that_and_its_start(
    tmp_path: Path, returned: str, start: float, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM.format(returned))
    found = search_spaces.load(f"{path}:mine")
    assert (found.name, found.space, dict(found.start)) == (
        "mine",
        Space((Real("lr", 0.0, 1.0),)),
        {"lr": start},
    )
    path.write_text(PROGRAM.format(returned) + "# changed\n")
    assert search_spaces.load(f"{path}:mine").checksum != found.checksum
    path.write_text("print('read')\n" + PROGRAM.format(returned))
    search_spaces.load(f"{path}:mine")
    assert capsys.readouterr() == ("", "read\n")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("absent.toml", None, "cannot read .*absent.toml: No such file"),
        ("a.toml", "lr = 1", r"lr is 1; write a table, \[lr\], with low and high, or values"),
        ("a.toml", "[lr", "Expected"),
        ("a.toml", "", "at least one variable"),
        ("a.toml", "[lr]\nlow = 1.0", "high"),
        ("a.toml", "[lr]\nlow = 1.0\nhigh = 2.0\nmiddle = 1.5", "lr: a variable .*middle"),
        ("a.toml", "[lr]\nlow = 1.0\nhigh = 2.0\nstart = 3.0", "lr = 3.0 is out of range"),
        ("a.toml", "[lr]\nkind = 'odd'\nlow = 1.0\nhigh = 2.0", "'odd' is not a kind of variable"),
        ("a.py:mine", "mine = 1", "the file has no function mine that returns a space"),
        ("a.py:mine", "def mine():\n    return 1", "it gives 1; give a search_spaces.Space"),
        ("a.py:mine", "def mine():\n    return [][1]", r"mine\(\) fails: IndexError"),
        ("a.py:mine", "def mine(:", "SyntaxError"),
        ("a.py:mine", "def mine():\n    raise SystemExit(3)", r"mine\(\) fails: SystemExit: 3"),
        (
            "a.py:mine",
            PROGRAM.format("Space((Real('lr', 0.0, 1.0),)), [1]"),
            r"it gives \(Space.*; give a search_spaces.Space, or that",
        ),
        ("a.py:mine", "def mine():\n    return 1, 2, 3", r"it gives \(1, 2, 3\); give"),
    ],
)
def test_what_is_no_space_is_refused(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    path = tmp_path / name.partition(":")[0]
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=words):
        search_spaces.load(str(tmp_path / name))
