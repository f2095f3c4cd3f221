"""The documents are under test: what they show must run, and what they name must be there."""

import io
import re
import shlex
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.core
from rich.console import Console

import search_spaces
from orchestrator.cli import model_commands
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.service.cli import ServeOptions
from orchestrator.spec.command_options import CommandOptions
from orchestrator.spec.problem import Evaluation, Problem
from orchestrator.spec.search_options import HpoOptions, NasOptions, resolve_options
from orchestrator.study.check_trainer import check_trainer
from orchestrator.study.run import run_study
from orchestrator.training.options import TrainingOptions
from results.cli.commands import main as commands_of_results
from search_spaces import Point, Space

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*/*.md")])
FOLDERS = ("orchestrator", "trainer", "search_spaces", "results", "tests", "docs", "docker", "benchmarks")


def blocks(page: Path, language: str) -> list[str]:
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if re.fullmatch(language, name)]


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them: small letters, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def option_names(model: type[CommandOptions]) -> set[str]:
    return {option.flag for option in model.options().values()}


def options_of_commands() -> dict[str, set[str]]:
    """The options of every command, which may be two words."""
    models = (NasOptions, HpoOptions, EvaluationOptions, TrainingOptions, ServeOptions)
    commands = {model.program: option_names(model) for model in models}
    results = typer.main.get_command(commands_of_results)
    assert isinstance(results, typer.core.TyperGroup)
    apps = {f"nas-results {name}": command for name, command in results.commands.items()} | {
        "nas-export": typer.main.get_command(model_commands.export_app()),
        "nas-predict": typer.main.get_command(model_commands.predict_app()),
    }
    return commands | {name: {flag for one in app.params for flag in one.opts} for name, app in apps.items()}


COMMANDS = options_of_commands()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text())
    targets = [(page.parent / link if link else page, anchor) for link, anchor in links]
    assert [anchor for target, anchor in targets if anchor not in anchors(target)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_named_is_there(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./]*\w\.\w+)`", page.read_text())
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_has_the_options_it_is_shown_with(page: Path) -> None:
    whole = (block.replace("\\\n", " ") for block in blocks(page, "(?:sh|bash|console)?"))  # lines that go on
    shown = [line for block in whole for line in block.splitlines()]
    for line in (line.strip().removeprefix("$ ") for line in shown):
        name = next((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), None)
        if name:
            words = shlex.split(line, comments=True)
            given = {word for word in words if word.startswith("--") and word != "--install-completion"}
            assert given <= COMMANDS[name], line


def test_the_solver_that_the_guide_shows_is_one() -> None:
    [solver, *_] = blocks(ROOT / "docs" / "extending.md", "python")
    module: dict[str, object] = {}
    exec(solver, module)
    asked: list[Point] = []

    def evaluate(points: list[Point]) -> list[Evaluation]:
        asked.extend(points)
        if len(asked) > 10:
            raise StopIteration
        return [Evaluation(0.0) for _ in points]

    space = example_space()
    start = space.point({"learning_rate": 0.1, "layers": 2, "pooling": "max"})
    with pytest.raises(StopIteration):
        module["search"](Problem(space, start, batch_size=4), evaluate)  # type: ignore[operator]
    assert asked[0] == start


@pytest.mark.slow  # trains for two minutes
def test_the_examples_of_the_python_api_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module: dict[str, Any] = {}
    for block in blocks(ROOT / "docs" / "api.md", "python"):
        exec(block, module)
    assert re.fullmatch(r"<study 'smaller': finished, [7-8][.\d]*/8 trainings>", str(module["study"]))
    assert module["page"].stat().st_size > 1_000_000
    assert (tmp_path / "runs" / "tuned").is_dir()
    assert len(module["ranked"].ranking) == 2


def test_the_trainer_that_the_protocol_s_page_shows_is_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "trainer.py").write_text(blocks(ROOT / "docs" / "trainer-protocol.md", "python")[0])
    command = f"{sys.executable} {tmp_path / 'trainer.py'}"
    asked = {"trainer": command, "depth": "1", "resolution": "1", "check_trainer": True, "device": "cpu"}
    printed = io.StringIO()
    check_trainer(resolve_options("nas", "mine", {**asked, "runs": tmp_path}), Console(file=printed))
    told = printed.getvalue().splitlines()
    assert told[1] == "ok: a training has a result, accuracy 0.8984"
    assert told[2].startswith("missing: measurements on the way")
    assert told[-1] == "the trainer does what a search needs"


def test_the_spaces_that_the_page_about_scripts_shows_are_two(tmp_path: Path) -> None:
    page = ROOT / "docs" / "scripts.md"
    (tmp_path / "a.toml").write_text(blocks(page, "toml")[0])
    (tmp_path / "b.py").write_text(blocks(page, "python")[1])
    assert search_spaces.load(str(tmp_path / "a.toml")).space.names == ("lr", "layers", "activation")
    assert search_spaces.load(f"{tmp_path / 'b.py'}:space").start["lr"] == 0.1


@pytest.mark.slow  # half a minute
def test_the_plain_script_is_searched_as_the_page_says(tmp_path: Path) -> None:
    examples = ROOT / "examples"
    script, space = f"{sys.executable} {examples / 'plain_script.py'}", str(examples / "plain_script.toml")
    asked = {"trainer": script, "space": space, "budget": "60s", "trials": 6, "runs": tmp_path}
    printed = io.StringIO()
    run_study(HpoOptions.resolve(asked), Console(file=printed, width=200), threading.Event())
    assert "next: " in printed.getvalue().splitlines()[-1]


def test_the_space_that_the_guide_shows_is_one() -> None:
    assert example_space().names == ("learning_rate", "layers", "pooling")


def example_space() -> Space:
    module: dict[str, object] = {"print": lambda text: None}
    exec(blocks(ROOT / "docs" / "extending.md", "python")[-1], module)
    space = module["space"]
    assert isinstance(space, Space)
    return space
