"""The case of docs/case-study.md: its files open with today's code, and the page shows what is printed."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import scipy.stats
import torch
from PIL import Image
from typer.testing import CliRunner

from results import queries
from results.cli.commands import main
from tests.orchestrator.cli.test_model_commands import typed
from trainer import load_model

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "examples" / "case"
PAGE = (ROOT / "docs" / "case-study.md").read_text()
SHOWN = re.findall(r"^```console\n\$ nas-results (.+?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PIPELINE = {  # what the page tells of each step
    "base network": ("case-evaluate", "senet18"),
    "architecture search": ("case-evaluate", "nomad_senet18"),
    "AutoAugment and cutout": ("case-augmented", "nomad_senet18"),
    "hyperparameter search": ("case-evaluate", "tuned_nomad_senet18"),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the database that today's code has migrated, as its reader's would be."""
    copy = shutil.copy(CASE / "results.db", tmp_path_factory.mktemp("case"))
    assert CliRunner().invoke(main, ["migrate", "--db", str(copy)]).exit_code == 0
    return str(copy)


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_a_command_prints(database: str, command: str, printed: str) -> None:
    words = shlex.split(command.replace("examples/case/results.db", database))
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.rstrip() for line in result.stdout.splitlines()] == printed.splitlines()


def test_the_page_shows_every_study() -> None:
    assert len(SHOWN) == 6


@pytest.mark.parametrize("step", PIPELINE)
def test_the_page_tells_the_mean_and_interval_of_a_step(database: str, step: str) -> None:
    study, model = PIPELINE[step]
    reached = accuracies(database, study, model)
    [told] = re.findall(rf"^\| {step} \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert told == f"{reached.mean():.2f}% {interval_text(reached)} (n 5)"


@pytest.mark.parametrize("model", ["nomad_senet18", "tuned_nomad_senet18"])
def test_the_page_tells_the_difference_from_the_base(database: str, model: str) -> None:
    base, other = (accuracies(database, "case-evaluate", one) for one in ("senet18", model))
    difference = other - base
    mean, low, high = (f"{n:+.2f}".replace("0.", ".") for n in (difference.mean(), *interval(difference)))
    assert f"{mean} points [{low}, {high}]" in PAGE.replace("\n", " ")


def accuracies(database: str, study: str, model: str) -> "pd.Series[float]":
    """Test accuracies in percent, by run."""
    runs = queries.trials(database, study).set_index("replicate")
    shares: pd.Series[float] = runs.loc[[point["model"] == model for point in runs["point"]], "test_accuracy"]
    return 100 * shares


def interval(reached: "pd.Series[float]") -> tuple[float, float]:
    reach = scipy.stats.t.ppf(0.975, len(reached) - 1) * reached.std() / len(reached) ** 0.5
    return reached.mean() - reach, reached.mean() + reach


def interval_text(reached: "pd.Series[float]") -> str:
    low, high = interval(reached)
    return f"[{low:.2f}, {high:.2f}]"


def test_the_commands_beside_it_are_those_of_the_page() -> None:
    assert f"```sh\n{(CASE / 'run.sh').read_text()}```" in PAGE


def test_the_network_is_the_one_on_record(database: str) -> None:
    network, _ = load_model(CASE / "network")
    written = json.loads((CASE / "network" / "model.json").read_text())
    of, number = written["provenance"]["study"], written["provenance"]["trial"]
    trials = queries.trials(database, of).set_index("number")
    assert sum(one.numel() for one in network.parameters()) == trials.loc[number, "parameters"]
    assert written["scores"]["val_accuracy"] == trials.loc[number, "val_accuracy"]


def test_the_network_predicts_a_photo(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "green").save(tmp_path / "photo.png")
    done = typed(tmp_path, "nas-predict", str(CASE / "network"), "photo.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    prediction = json.loads(done.stdout)
    assert prediction["event"] == "prediction"
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert {"airplane", "truck"} < prediction["probabilities"].keys()


def test_the_onnx_file_computes_what_the_network_computes() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    network, _ = load_model(CASE / "network")
    [file] = CASE.glob("*.onnx")
    pixels = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    [logits] = session.run(["logits"], {"images": pixels.numpy()})
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(logits), network(pixels), atol=1e-3, rtol=0)


def test_the_report_is_of_the_search_and_needs_no_network() -> None:
    page = (CASE / "report.html").read_text()
    assert "<title>case-nas" in page
    assert not re.search(r"""<(script|link|img|iframe)\b[^>]*https?://""", page)
