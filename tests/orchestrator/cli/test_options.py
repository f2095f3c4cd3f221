"""One table of options: a field of a command's model is an option of command line, file and REST."""

from __future__ import annotations

import math
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from orchestrator.cli import commands, options
from orchestrator.cli.config import read_config
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.service import cli as service
from orchestrator.service import schemas
from orchestrator.spec import search_options as table
from orchestrator.spec.command_options import BadOption, CommandOptions, option
from orchestrator.spec.search_options import HpoOptions, NasOptions
from orchestrator.training.options import TrainingOptions
from results import study_record
from tests.orchestrator import _studies
from tests.orchestrator._serving import settings

MODELS: tuple[type[CommandOptions], ...] = (NasOptions, HpoOptions, EvaluationOptions, TrainingOptions)
ENTRIES = {"nas-search": commands.nas_search, "hpo-search": commands.hpo_search}
ENTRIES |= {"nas-evaluate": commands.nas_evaluate, "nas-train": commands.nas_train}


class Newer(NasOptions):
    """The options of nas-search with three new ones, one for each who may set an option."""

    pace: Literal["slow", "fast"] = option("The search", "How fast to search.", "slow")
    rack: int | None = option("The machine", "Rack of the machine.", set_by="owner", ge=1)
    quiet: bool = option("The results", "Print nothing.", False, set_by="command")


NEW = ("pace", "rack", "quiet")


def typed(model: type[CommandOptions], monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """Type a command, and return the options that it was given."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(sys, "argv", [model.program, *words])
    with pytest.raises(SystemExit) as end:
        options.run_command(model, given.update)
    assert end.value.code == 0
    return given


def printed(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    """Type a command that ends well at once, and return what it prints."""
    monkeypatch.setattr(sys, "argv", [program, *words])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        ENTRIES[program]()
    assert end.value.code == 0
    return capsys.readouterr().out


def test_a_new_field_is_an_option_of_the_command_line_and_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--base=senet18", "--pace=fast", "--rack=2", "--quiet"]
    given = typed(Newer, monkeypatch, *words)
    assert Newer.resolve(given).model_dump(include=set(NEW)) == {"pace": "fast", "rack": 2, "quiet": True}
    typed(Newer, monkeypatch, "--help-all")
    assert all(text in capsys.readouterr().out for text in ("How fast to search. [slow]",))
    file = tmp_path / "study.toml"
    typed(Newer, monkeypatch, *words, f"--write-config={file}")
    assert read_config(file, Newer) == {"base": "senet18", "pace": "fast", "rack": 2}
    assert typed(Newer, monkeypatch, f"--config={file}")["rack"] == 2


def test_a_new_field_is_checked_by_its_own_type_and_range() -> None:
    with pytest.raises(BadOption, match=r"^--pace rapid is unknown; give slow or fast$"):
        Newer.resolve({"base": "senet18", "pace": "rapid"})
    with pytest.raises(BadOption, match=r"^--rack 0 is too few; give at least 1$"):
        Newer.resolve({"base": "senet18", "rack": 0})


def test_a_new_field_is_in_rest_and_in_the_form_if_every_user_may_set_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = schemas.client_model(Newer)
    assert asked.model_fields["pace"].description == "How fast to search. [slow]"
    assert asked(kind="nas", base="senet18", pace="fast").model_dump(exclude_none=True)["pace"] == "fast"
    for name, value in (("rack", 2), ("quiet", True)):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            asked(kind="nas", base="senet18", **{name: value})
    monkeypatch.setattr(schemas, "SEARCHES", {"nas": Newer})
    told = {
        "help": "How fast to search. [slow]",
        "type": "str",
        "choices": ("slow", "fast"),
        "closed": True,
        "least": None,
        "most": None,
        "matters": False,
    }
    form = schemas.form_fields("nas")
    assert (form["pace"], form.keys() & set(NEW)) == (told, {"pace"})
    with pytest.raises(BadOption, match=r"^quiet, rack can be given only on the command line$"):
        schemas.restrict_options("nas", "senet18", dict.fromkeys(NEW, 1), settings(Path("/runs")))


def told(**asked: Any) -> tuple[str, str, dict[str, Any]]:
    return schemas.given(schemas.NasSearch(kind="nas", base="senet18", **asked))


def test_rest_describes_each_option_as_the_table_has_it() -> None:
    told = schemas.NasSearch.model_json_schema()
    shown, numbers = told["properties"], {"default", "minimum", "maximum", "type"}
    assert told["required"] == ["kind", "base"]
    assert set(shown) == {"kind", *NasOptions.options("user")}
    trials = {"default": 100, "minimum": 1, "maximum": 1_000_000, "type": "integer"}
    assert {key: shown["trials"][key] for key in numbers} == trials
    seed = {"default": 0, "minimum": 0, "maximum": 2_000_000_000, "type": "integer"}
    assert {key: shown["seed"][key] for key in numbers} == seed
    assert shown["clock"]["enum"] == ["train", "strict"]
    assert {"minimum": 0, "maximum": 1, "type": "number"} in shown["audit"]["anyOf"]
    assert shown["solver"]["examples"] == list(NasOptions.options()["solver"].choices)
    assert "panel" not in shown["solver"]
    assert shown["trials"]["description"] == NasOptions.options()["trials"].help


def test_rest_takes_and_refuses_values_as_the_command_does() -> None:
    assert told(max_macs=5_000_000, ingredient="mixup", demo=False, audit=None) == (
        "nas",
        "senet18",
        {"max_macs": "5000000", "ingredient": ["mixup"]},
    )
    for asked, words in (
        ({"budget": 10}, "--budget: a budget of 10 has no unit; write 10s, 10m or 10steps"),
        ({"trials": True}, "--trials True is not a whole number; give one like 12"),
        ({"trials": 0}, "--trials 0 is too few; give at least 1"),
        ({"demo": "no"}, "--demo no is neither true nor false; give one of them"),
        ({"tolerance": math.nan}, "--tolerance nan is not a fraction"),
        ({"study": "a\nb"}, "--study takes at most 300 characters in one line; give a shorter text"),
        ({"study": "\ud800"}, "--study takes at most 300 characters in one line; give a shorter text"),
        ({"data": "x" * 301}, "--data takes at most 300 characters in one line; give a shorter text"),
        ({"ingredient": ["a"] * 61}, "--ingredient has 61 values; give at most 60"),
        ({"ingredient": [["a"]]}, "--ingredient takes no lists in lists and no objects; give texts"),
        ({"fit": {"a": 1}}, "--fit takes no lists in lists and no objects; give texts"),
    ):
        with pytest.raises(BadOption) as refused:
            told(**asked)
        assert words in str(refused.value)


def test_a_new_field_is_kept_with_its_study_if_every_user_may_set_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(table, "SEARCHES", {**table.SEARCHES, "nas": Newer})
    _studies.run(tmp_path, pace="fast", rack=2, quiet=True)
    request = study_record.read_study(str(tmp_path / "results.db"), "s").request
    assert request is not None
    assert {name: value for name, value in request["options"].items() if name in NEW} == {"pace": "fast"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.program)
def test_help_shows_the_ten_that_matter_with_their_defaults_and_examples(
    model: type[CommandOptions], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = printed(model.program, monkeypatch, capsys, "--help")
    shown = [one.keyword for one in model.options().values() if f"│ {one.flag} " in short]
    assert shown == list(model.ten)
    assert len(shown) == 10
    assert all(model.options()[name].help.rpartition("[")[2] in short for name in shown)
    assert all(example in short for example in model.examples)
    assert f"All {len(model.options())} options: {model.program} --help-all" in short
    everything = printed(model.program, monkeypatch, capsys, "--help-all")
    assert [one.flag for one in model.options().values() if f"│ {one.flag} " not in everything] == []
    assert "--stack" not in everything
    for page in (short, everything):
        assert re.search(r"--help .*Show the options that matter most, and exit", page)
        assert re.search(rf"--help-all .*Show all {len(model.options())} options, and exit", page)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.program)
def test_each_example_of_the_help_can_be_typed(
    model: type[CommandOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    for example in model.examples:
        program, *words = shlex.split(example)
        assert program == model.program
        model.resolve(typed(model, monkeypatch, *words))


def test_searches_have_defaults_of_their_own_in_the_help() -> None:
    nas, hpo = NasOptions.options(), HpoOptions.options()
    assert (nas["minimise"].help[-6:], nas["save_as"].help[-11:]) == ("[macs]", "[nomad_BASE]"[-11:])
    assert (hpo["maximise"].help[-10:], hpo["space"].help[-10:]) == ("[accuracy]", "[training]")
    assert "[" not in hpo["minimise"].help + nas["maximise"].help + nas["max_params"].help


def test_a_service_takes_its_options_from_the_same_kind_of_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = written(tmp_path / "serve.toml", runs="~/runs", at_a_time=2, host_name=["Box"], data_root="~/x")
    asked = service.ServeOptions.resolve(typed(service.ServeOptions, monkeypatch, config, "--port=0"))
    told = service._settings(asked, tmp_path / "none")
    assert (told.runs, told.database) == (tmp_path / "runs", str(tmp_path / "runs" / "results.db"))
    assert (told.at_a_time, told.names, told.port, told.data_root) == (2, ("box",), 0, tmp_path / "x")
    for words, said in (
        (["--port=70000"], "--port 70000 is out of range; give at most 65535"),
        (["--stack=2"], "No such option: --stack"),
    ):
        monkeypatch.setattr(sys, "argv", ["nas-serve", *words])
        with pytest.raises(SystemExit) as end:
            service.main()
        printed_words = capsys.readouterr().err
        assert (end.value.code, printed_words.count("\n")) == (2, 1)
        assert said in printed_words


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("nas-evaluate", monkeypatch, capsys, "--version").startswith("nomad-nas 0.")


def test_help_imports_nothing_that_only_a_study_needs() -> None:
    program = """
import sys
from orchestrator.cli import commands
sys.argv = ["nas-search", "--help"]
try:
    commands.nas_search()
except SystemExit:
    print([name for name in ("torch", "pandas", "scipy", "sqlalchemy", "optuna") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bse=senet18"], "No such option: --bse"),
        (["--base"], "requires an argument"),
        (["--base=senet18", "--trials=many"], "--trials many is not a whole number; give one like 12"),
        (["--base=senet18", "--tolerance=1%"], "--tolerance 1% is not a number; give one like 0.5"),
        (["--trials=3"], "--base is missing; give it, or see nas-search --help"),
        (
            ["--base=senet18", "--budget=10"],
            "--budget: a budget of 10 has no unit; write 10s, 10m or 10steps",
        ),
        (["senet18"], "senet18 has no option before it; write --base senet18"),
        (["--base=senet18", "--demo", "no"], "no has no option before it; see nas-search --help"),
        (["--base=senet18", "--trials=1_0"], "--trials 1_0 is not a whole number; give one like 12"),
        (["--base=senet18", "--runs="], '--runs "" is empty; give a path or a name'),
        (["--base=senet18", "--max-macs=-5"], "--max-macs -5 is not positive; give more than 0"),
        (["--base=senet18", "--solver=foo"], "--solver foo is unknown; give one of cmaes, "),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nas-search", *words])
    with pytest.raises(SystemExit) as end:
        commands.nas_search()
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert told.startswith("nas-search: ")
    assert said in told
    assert told.count("\n") == 1


def written(path: Path, **values: Any) -> str:
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))
    return f"--config={path}"


def test_a_file_gives_options_and_what_is_typed_replaces_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        'base = "senet18"\ntrials = 40\ntrain-images = 50\nmax_macs = 5_000_000\ningredient = ["sam"]\n'
    )
    request = NasOptions.resolve(typed(NasOptions, monkeypatch, f"--config={file}", "--trials=3"))
    assert (request.trials, request.train_images, request.aim.limits) == (3, "50", {"macs": 5e6})
    assert (request.base, request.ingredient) == ("senet18", ("sam",))


def test_names_in_a_file_are_those_that_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = written(tmp_path / "runs.toml", model=["senet18"], runs=3, folder="here")
    request = EvaluationOptions.resolve(typed(EvaluationOptions, monkeypatch, config))
    assert (request.runs_of_each, request.runs) == (3, Path("here"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails = 3", "trails is not an option of nas-search; see nas-search --help-all"),
        ("trials", "cannot be read: "),
        ("space = 'recipe'", "space is not an option of nas-search"),
        ("config = 'x'", "study.toml: config has no effect in a file; type it"),
        ("write-config = 'x'", "study.toml: write_config has no effect in a file; type it"),
        ("train-images = 3\ntrain_images = 4", "study.toml: train_images is given twice; give it once"),
        ("demo = 'no'", "--demo no is neither true nor false; give one of them"),
        ("demo = 1", "--demo 1 is neither true nor false; give one of them"),
        ("trials = '40'", '--trials "40" is not a whole number; give one like 12'),
        ("trials = true", "--trials True is not a whole number; give one like 12"),
        ("budget = 10", "--budget: a budget of 10 has no unit; write 10s, 10m or 10steps"),
        ("runs = 5", "--runs 5 is not a path; write it in quotes"),
        (None, "cannot be read: No such file or directory; give a file like"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    said: str,
) -> None:
    file = tmp_path / "study.toml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(sys, "argv", ["nas-search", "--base=senet18", f"--config={file}"])
    with pytest.raises(SystemExit) as end:
        commands.nas_search()
    told = capsys.readouterr().err
    assert (end.value.code, told.count("\n")) == (2, 1)
    assert said in told


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (
            NasOptions,
            {"base": "senet18", "data": 'folder:"quoted" \\ ü\x7f', "tolerance": 1e-05, "demo": True},
        ),
        (HpoOptions, {"model": "m@s", "ingredient": ['mixup={"alpha": 1}', "sam=null"], "max_params": "5M"}),
        (EvaluationOptions, {"model": ["a", "b"], "runs": 3, "folder": "x", "no_test": True}),
        (TrainingOptions, {"model": "m@s", "runs": 3, "folder": "x", "init": "s:3", "new_head": True}),
    ],
)
def test_a_written_file_asks_the_same_again(
    model: type[CommandOptions], given: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        f"{flag}={one}" if one is not True else flag
        for flag, value in ((model.options()[name].flag, value) for name, value in given.items())
        for one in (value if isinstance(value, list) else [value])
    ]
    file = tmp_path / "study.toml"
    assert typed(model, monkeypatch, *words, f"--write-config={file}") == {}, "nothing else is done"
    again = typed(model, monkeypatch, f"--config={file}")
    assert model.resolve(again) == model.resolve({**given, "config": str(file)})


def test_a_written_file_can_be_read_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, url = tmp_path / "study.toml", "postgresql://me:secret@host/name"
    typed(NasOptions, monkeypatch, "--base=senet18", f"--db={url}", f"--write-config={file}")
    assert (url in file.read_text(), stat.filemode(file.stat().st_mode)) == (True, "-rw-------")


def test_a_typed_database_comes_before_a_files_and_that_before_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_DB", "around.db")
    words = ["--base=senet18", written(tmp_path / "study.toml", db="filed.db")]
    for more, database in ((["--db=typed.db"], "typed.db"), ([], "filed.db")):
        assert NasOptions.resolve(typed(NasOptions, monkeypatch, *words, *more)).database == database
    assert NasOptions.resolve(typed(NasOptions, monkeypatch, "--base=senet18")).database == "around.db"
    file = tmp_path / "written.toml"
    typed(NasOptions, monkeypatch, "--base=senet18", f"--write-config={file}")
    assert "db" not in file.read_text(), "it belongs to this machine"


def test_a_file_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text("# mine")
    monkeypatch.setattr(sys, "argv", ["nas-search", "--base=senet18", f"--write-config={file}"])
    with pytest.raises(SystemExit) as end:
        commands.nas_search()
    assert (end.value.code, file.read_text()) == (2, "# mine")
    assert "File exists; give a file that does not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.program)
def test_a_tilde_is_the_home_folder_in_every_path(
    model: type[CommandOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    paths = [name for name, one in model.options().items() if one.kind is Path and name != "csv"]
    folder = "folder" if model in (EvaluationOptions, TrainingOptions) else "runs"
    assert {folder, "data_folder", "config", "write_config"} <= set(paths)
    subject: dict[str, Any] = {"nas-search": {"base": "~/m.py:net"}, "nas-evaluate": {"model": ["senet18"]}}
    given = subject.get(model.program, {"model": "~/m.py:net"})
    request = model.parse({**dict.fromkeys((*paths, "db"), "~/x"), **given})
    fields = [model.options()[name].name for name in (*paths, "db")]
    assert {str(getattr(request, field)) for field in fields} == {"/home/me/x"}
    if isinstance(request, NasOptions | HpoOptions):
        assert request.subject == "/home/me/m.py:net"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a small search, which saved a model."""
    folder = tmp_path_factory.mktemp("searched")
    _studies.run(folder, trials=4, save_as="nomad_mine")
    return folder


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hpo-search --solver n", ["nomad", "nsgaii"]),
        ("hpo-search --model nomad_", ["nomad_senet18", "nomad_resnet18", "nomad_mine"]),
        ("hpo-search --model shufflenetg", ["shufflenetg2"]),
        ("hpo-search --recipe nomad", ["nomad_haet"]),
        ("hpo-search --study s", ["s"]),
        ("hpo-search --clock ", ["train", "strict"]),
        ("hpo-search --prec", ["--precision"]),
        ("hpo-search --data ", ["digits", "cifar10", "torchvision:", "npz:", "folder:", "csv:"]),
        ("hpo-search --data fo", ["folder:"]),
        ("hpo-search --model senet18", ["senet18"]),
    ],
)
def test_a_shell_completes_options_and_names(searched: Path, words: str, offered: list[str]) -> None:
    program = (
        "import sys; from orchestrator.cli import commands; sys.argv = ['hpo-search']; commands.hpo_search()"
    )
    typed_so_far = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={
            **os.environ,
            **typed_so_far,
            "NAS_DB": str(searched / "results.db"),
            "_HPO_SEARCH_COMPLETE": "complete_bash",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == offered
