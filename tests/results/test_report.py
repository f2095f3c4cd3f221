"""The report: one page that holds everything, asks no network, and runs nothing that a record says."""

import base64
import hashlib
import html
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results import report, study_record, study_words
from results.cli.commands import main
from results.db.store import Store
from results.db.tables import Trial
from results.report import _command, _figures, _layers, comparison
from results.report._logs import log_end
from tests.orchestrator._studies import RUN_COMMAND, run
from tests.orchestrator._studies import record as record_of
from tests.orchestrator._trained import make_study
from tests.results.records import complete, config, open_study

EVIL = "<script>document.title='owned'</script>"
_NO_CALLS_HOME = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_BROWSERS_OWN = (
    ".google.com",
    ".googleapis.com",
    ".gvt1.com",
)  # Chromium asks for updates whatever it is told
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def page(db: str, study: str, other: str | None = None) -> str:
    written, _ = report.page(
        study_record.read_study(db, study), study_record.read_study(db, other) if other else None
    )
    return written


def words(written: str) -> str:
    """The page as its reader sees it, without scripts and styles."""
    bare = re.sub(r"<(script|style).*?</\1>", "", written, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare)))


@pytest.fixture(scope="module")
def shown(record: str) -> str:
    return page(record, "nas-demo", "hpo-demo")


def test_nothing_is_loaded_from_anywhere(shown: str) -> None:
    elements = Elements(shown)
    loading = [(tag, a) for tag, a in elements.found for key in ("src", "href", "data", "action") if key in a]
    assert all(a.get("href", "").startswith("#") for _, a in loading), loading
    assert not {"link", "iframe", "img", "object", "embed", "base"} & {tag for tag, _ in elements.found}
    assert "@import" not in shown[: shown.index("</style>")]
    assert "url(" not in shown[: shown.index("</style>")]


def test_the_browser_is_told_to_run_the_page_s_own_scripts_and_nothing_else(shown: str) -> None:
    policy = next(a["content"] for a in Elements(shown).named("meta") if "http-equiv" in a)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    running = re.findall(r"<script>(.*?)</script>", shown, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in running]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]


def test_what_a_record_says_is_shown_as_text_and_never_as_html(store: Store, db: str, tmp_path: Path) -> None:
    folder = tmp_path / EVIL.replace("/", "_")
    folder.mkdir()
    (folder / "log.txt").write_text(f"first line\n{EVIL}\n")
    study = open_study(store, EVIL, subject=EVIL, **{EVIL: EVIL})
    complete(store, study, 1, 5_000_000, 0.9, point={EVIL: EVIL}, config=config(1.0, optimizer=EVIL))
    lost = store.start_trial(study.id, 2, purpose="search", config=config(0.4), folder=str(folder))
    store.finish_trial(lost.id, "failed", reason=EVIL, message=EVIL)
    store.note(study.id, EVIL, {EVIL: EVIL})
    store.end_study(study.id, "failed", EVIL)
    written = page(db, EVIL, EVIL)
    assert written.count("<script") == 3, "the figures', plotly's and the page's"
    assert EVIL not in written
    assert written.count("&lt;script&gt;") > 10
    assert "first line" in written
    [figures] = re.findall(r'id="figures">(.*?)</script>', written, flags=re.DOTALL)
    assert "<" not in figures
    assert json.loads(figures)["figures"]


def test_the_summary_says_what_was_asked_and_found(record: str) -> None:
    said = words(page(record, "nas-demo"))
    assert "validation accuracy is 89.00%: the base network's mean of 90.00% (sd 0.40, n 3)" in said
    assert "minus the tolerance of 1 point" in said
    assert "Trial 4 is the best with 5.00 M MACs, 50% less than the base network's 10.00" in said
    assert "saved as model nomad_senet18 (confirmed)" in said
    assert "It has finished: the budget of 12 trials is spent." in said


def test_a_winner_without_a_verdict_is_told_with_what_its_model_knows(store: Store, db: str) -> None:
    folds = {"folds": 6, "train_images": 500, "validation_images": 100, "dataset": "folder"}
    study = open_study(store, training=folds)
    found = complete(
        store, study, 1, 5_000_000, 0.9, config=config() | {"dataset": "folder:/home/you/photos"}
    )
    store.set_bound(study.id, min_accuracy=0.8)
    compared = {"difference": 0.004, "difference_low": -0.01, "difference_high": 0.02, "pairs": 3}
    known: dict[str, Any] = {"study_id": study.id, "trial_id": found.id, "network": "senet18"}
    known |= {"depth": 1.0, "width": 0.5, "resolution": 1.0, "dataset": "folder", "recipe": "nomad_haet"}
    known |= {"macs": 5_000_000, "parameters": 250_000, "val_accuracy": 0.9}
    known |= {"name": "small", "status": "provisional", "probability": 0.9, "shared_noise": 0.3}
    store.save_model(**known, **compared)
    said = words(page(db, "demo"))
    assert (
        "It is provisional, as its repeats gave no verdict: as accurate as the base with probability 90.0% "
        "(98.3% needed): difference +0.40 points [-1.00, +2.00], 3 pairs. Trainings of the same images"
        in said
    )
    assert "steps on 6 folds, each with 500 training and 100 validation images of photos" in said


def test_a_verdict_is_told_with_its_probability(store: Store, db: str) -> None:
    study = open_study(store)
    found = complete(store, study, 1, 5_000_000, 0.9)
    store.set_bound(
        study.id, min_accuracy=0.8, baseline_accuracy=None, baseline_std=None, baseline_replicates=0
    )
    told = study_words.describe_result(study_record.read_study(db, "demo"))
    assert any("It is provisional" in said for said in told)
    store.judge_trial(found.id, "confirmed", {}, probability=0.991)
    told = study_words.describe_result(study_record.read_study(db, "demo"))
    assert "It is confirmed: 99.1% likely to reach the required accuracy, by its repeats." in told


def test_failures_are_told_with_the_ends_of_their_logs(store: Store, db: str, tmp_path: Path) -> None:
    study = open_study(store)
    (tmp_path / "log.txt").write_text("\n".join(f"line {number}" for number in range(100)))
    for number, folder in ((1, tmp_path), (2, tmp_path / "gone")):
        lost = store.start_trial(study.id, number, purpose="search", folder=str(folder), macs=1_000_000)
        store.finish_trial(lost.id, "failed", reason="timeout", message="no end after 30 s")
    said = words(page(db, "demo"))
    assert "line 99" in said
    assert "line 79" not in said
    assert "trial 1: timeout: no end after 30 s" in said
    assert "No such file or directory" in said


def test_a_log_is_shown_without_what_steers_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"x" * 100_000 + b"\n\x1b[31mred\x1b[0m 10%\r20%\r30%\n\xff\x07end\n")
    last = log_end({"folder": str(tmp_path)}).split("\n")
    assert last[-2:] == ["30%", "�end"]
    assert sum(map(len, last)) < 10_000


def test_every_table_has_a_caption_and_headings_for_columns_and_rows(shown: str) -> None:
    tables = re.findall(r"<table>(.*?)</table>", shown, flags=re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        assert re.search(r"<caption>[^<]+</caption>", table)
        head, body = table.split("<tbody>")
        heads = head.count('<th scope="col"')
        rows = [row for row in body.split("<tr>")[1:] if "colspan" not in row]
        assert all(row.count('<th scope="row">') == 1 for row in rows)
        assert all(row.count("<th") + row.count("<td") == heads for row in rows)


def test_the_page_can_be_read_by_its_outline(shown: str) -> None:
    elements = Elements(shown)
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert elements.named("html")[0]["lang"] == "en"
    ids = {a["id"] for _, a in elements.found if "id" in a}
    assert {a["href"].removeprefix("#") for a in elements.named("a")} <= ids
    assert all("aria-label" in a for a in elements.named("div") if a.get("role"))


def test_a_comparison_names_what_differs(shown: str) -> None:
    said = words(shown)
    assert "Comparison with hpo-demo" in said
    assert "Results side by side" in said
    assert "kind nas hpo" in said


def test_a_comparison_of_questions_has_a_row_a_difference(store: Store, db: str) -> None:
    open_study(store, "one", solver="nomad", budget={"seconds": 5})
    open_study(store, "two", solver="tpe", budget={"seconds": 9})
    said = words(page(db, "one", "two"))
    assert "solver 'nomad' 'tpe'" in said
    assert "budget.seconds 5 9" in said


def test_three_studies_are_compared_setting_by_setting(store: Store, db: str) -> None:
    for name, changes in (("one", {"batch": 4}), ("two", {"batch": 8}), ("three", {"deep": {"of": [1, 2]}})):
        open_study(store, name, **changes)
    rows = comparison.setting_rows([study_record.read_study(db, name) for name in ("one", "two", "three")])
    assert rows == [("batch", "4", "8", "nothing"), ("deep", "nothing", "nothing", "{'of': [1, 2]}")]
    results = comparison.result_rows([study_record.read_study(db, name) for name in ("one", "two", "three")])
    assert ("state", "running", "running", "running") in results


def test_an_evaluation_is_reported_with_its_ranking(store: Store, db: str) -> None:
    study = open_study(store, "tables", "evaluation")
    for number, model in enumerate(("resnet9", "senet18", "resnet9"), 1):
        point = {"model": model, "recipe": "nomad_haet"}
        tested = {"purpose": "evaluation", "point": point, "replicate": number // 3}
        complete(store, study, number, 5_000_000, 0.9, **tested)
    assert "Pairs of model and recipe, the best first" in words(page(db, "tables"))


def test_the_stages_of_the_network_stand_beside_the_base_network_s(store: Store, db: str) -> None:
    study = open_study(store)
    complete(store, study, 1, 9_000_000, 0.9, purpose="baseline", blocks=[2, 2], channels=[16, 32])
    store.set_bound(
        study.id, min_accuracy=0.8, baseline_accuracy=0.9, baseline_std=None, baseline_replicates=1
    )
    complete(store, study, 2, 5_000_000, 0.9, blocks=[1, 2], channels=[8, 24])
    said = words(page(db, "demo"))
    assert (
        "stage blocks (found) blocks (base) channels (found) channels (base) 1 1 2 8 16 2 2 2 24 32" in said
    )


def found_in(store: Store, folder: Path) -> None:
    """A study whose winner was trained in this folder."""
    study = open_study(store)
    complete(store, study, 1, 9_000_000, 0.9, purpose="baseline")
    store.set_bound(
        study.id, min_accuracy=0.8, baseline_accuracy=0.9, baseline_std=None, baseline_replicates=1
    )
    complete(store, study, 2, 5_000_000, 0.9, folder=str(folder))


def test_the_layers_are_those_that_the_training_told(store: Store, db: str, tmp_path: Path) -> None:
    layer = {"name": "0.conv<", "kind": "Conv2d", "output": [8, 32, 32], "parameters": 216, "macs": 221184}
    lines = ["no JSON", "[]", json.dumps({"event": "model", "layers": [layer]})]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    found_in(store, tmp_path)
    assert "1 0.conv< Conv2d 8x32x32 216 221,184" in words(page(db, "demo"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        ("", "does not list them"),
        ('{"event": "model"}', "does not list them"),
        ('{"event": "model", "layers": [{"name": 1}]}', "does not list them"),
        ('{"event": "model", "layers": "<script>"}', "does not list them"),
    ],
)
def test_layers_that_nobody_told_are_said_to_be_unknown(
    store: Store, db: str, tmp_path: Path, text: str | None, why: str
) -> None:
    if text is not None:
        (tmp_path / "metrics.jsonl").write_text(text)
    found_in(store, tmp_path)
    said = _layers.layers(study_record.read_study(db, "demo"))
    assert isinstance(said, str)
    assert said.startswith(f"The layers of the network are not known: {tmp_path}/metrics.jsonl")
    assert why in said


def test_the_page_links_the_folders_of_the_networks_whose_files_are_there(tmp_path: Path) -> None:
    runs = make_study(tmp_path, is_trained=False)
    (runs / "photos" / "00001" / "model.json").unlink()
    for folder, begin in ((runs, "photos/00004/"), (tmp_path / "other", f"file://{runs}/photos/00004/")):
        folder.mkdir(exist_ok=True)
        [to] = report.write(str(runs / "results.db"), "photos", folder / "page.html")
        links = [link["href"] for link in Elements(to.read_text()).named("a")]
        assert [link for link in links if not link.startswith("#")] == [begin]
    shown = words(to.read_text())
    assert "layers 3 1" in shown
    assert "latency on cpu, batch 1 (ms) 4.50 9.00" in shown
    assert "accuracy 87.00% ([85.00, 89.00], n 2) 90.00%" in shown


def test_a_plot_is_explained_by_what_it_shows(record: str) -> None:
    nas, hpo = (
        {plot.name: plot.words for plot in _figures.of_study(study_record.read_study(record, name))}
        for name in ("nas-demo", "hpo-demo")
    )
    for said in ("The shaded band", "Below the plot"):
        assert said in nas["front"]
        assert said not in hpo["front"]
    assert "with repeats" not in hpo["front"]
    assert "The solid line" not in hpo["path-trainings"]


def test_the_command_writes_the_page_and_says_where(record: str, tmp_path: Path) -> None:
    to = tmp_path / "r.html"
    done = CliRunner().invoke(main, ["report", "nas-demo", "--out", str(to), "--db", record])
    assert (done.exit_code, done.stdout) == (0, f"written: {to}\n")
    assert to.read_text().startswith("<!doctype html>")


def test_the_report_shows_the_curves_of_chosen_trials(record: str, tmp_path: Path) -> None:
    to = tmp_path / "r.html"
    asked = ["report", "nas-demo", "--out", str(to), "--db", record, "--trials"]
    assert CliRunner().invoke(main, [*asked, "4, 2"]).exit_code == 0
    [figures] = re.findall(r'id="figures">(.*?)</script>', to.read_text(), re.DOTALL)
    drawn = json.loads(figures)["figures"]["curves-seconds"]["data"]
    assert [trace["name"].partition(":")[0] for trace in drawn] == ["trial 4", "trial 2"]
    for wrong, why in (
        ("2,99", "no trial 99 in study 'nas-demo'; there are 1 to 10"),
        ("2,", "a whole number"),
    ):
        refused = CliRunner().invoke(main, [*asked, wrong])
        assert refused.exit_code == 2
        assert why in refused.stderr


def test_the_page_is_named_by_its_study_and_stays_in_the_folder(
    store: Store, db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_study(store, "../../a study")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    [to] = report.write(db, "../../a study")
    assert to == Path(".._.._a_study.html")
    assert to.is_file()


@pytest.mark.parametrize("options", [["nas-dem"], ["nas-demo", "--compare", "nas-dem"]])
def test_a_study_there_is_not_is_answered_with_those_there_are(record: str, options: list[str]) -> None:
    done = CliRunner().invoke(main, ["report", *options, "--db", record])
    assert done.exit_code == 2
    assert "there are nas-demo, hpo-demo" in done.stderr


def test_a_page_that_cannot_be_written_is_told_of(record: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["report", "nas-demo", "--db", record, "--out", str(tmp_path / "no" / "r.html")]
    )
    assert done.exit_code == 2
    assert "give another --out" in done.stderr


def test_pictures_without_a_browser_are_refused_with_what_to_install(
    record: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    told = [
        "report",
        "nas-demo",
        "--db",
        record,
        "--out",
        str(tmp_path / "r.html"),
        "--figures",
        str(tmp_path / "f"),
    ]
    done = CliRunner().invoke(main, told)
    assert done.exit_code == 2
    assert "apt-get install chromium" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "r.html").is_file(), "the page itself needs no browser"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")
@pytest.mark.filterwarnings("ignore")  # kaleido's loop is closed by the interpreter
def test_pictures_are_written_as_png_and_svg(record: str, tmp_path: Path) -> None:
    written = report.write(record, "nas-demo", tmp_path / "r.html", pictures=tmp_path / "figures")
    pictures = written[1:]
    assert {path.suffix for path in pictures} == {".png", ".svg"}
    assert {"front.png", "front.svg", "timeline.svg"} <= {path.name for path in pictures}
    for path in pictures:
        head = path.read_bytes()[:200]
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<svg" in head


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_draws_every_plot_and_asks_no_network(store: Store, db: str, tmp_path: Path) -> None:
    study = open_study(store, EVIL, space=[{"kind": "real", "name": "width", "low": 0.1, "high": 1.0}])
    for number in range(1, 9):
        complete(store, study, number, 1_000_000 * number, 0.8 + number / 100, point={"width": number / 8})
    (tmp_path / "r.html").write_text(page(db, EVIL))
    assert CHROMIUM
    log = tmp_path / "net.json"
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--dump-dom", *_NO_CALLS_HOME]
    command += ["--window-size=1000,9000", "--virtual-time-budget=20000", f"--log-net-log={log}"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "r.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert "<title>&lt;script&gt;" in dom, "the title is the study's name, and no script changed it"
    plots = re.findall(r'data-plot="([\w-]+)"', dom)
    assert len(plots) >= 5
    assert dom.count('data-drawn="') == len(plots)
    assert dom.count('class="main-svg"') >= len(plots)
    asked = re.findall(r'"url":"(\w+)://([^"/]*)', log.read_text())
    hosts = {host for scheme, host in asked if scheme in ("http", "https", "ws", "wss")}
    assert not [host for host in hosts if not host.endswith(_BROWSERS_OWN)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"minimise": "macs", "maximise": "accuracy", "confirm": 2},
            "Pareto front, by the repeats of its networks",
        ),
        pytest.param(
            {"minimise": "params", "tolerance": 0.05, "confirm": 2},
            "Goal: the variant of senet18 with the fewest parameters that reaches the required accuracy.",
            marks=pytest.mark.slow,
        ),
        ({"kind": "hpo"}, "Goal: the highest accuracy of senet18"),
        (
            {"maximise": "accuracy", "max_macs": 4e8},
            "the most accurate variant of senet18. A network may have at most 400 M MACs.",
        ),
    ],
)
def test_a_search_of_any_aim_is_reported(tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    run(tmp_path, **{"trials": 10, **asked})
    study = study_record.read_study(tmp_path / "results.db", "s")
    written, figures = report.page(study)
    assert said in words(written)
    assert {"front", "timeline", "slices", "curves-progress"} <= set(figures)
    sized = figures["front"].select_xaxes()
    assert study.metric.axis in [axis.title.text for axis in sized]


def test_the_command_of_a_report_asks_the_same_question(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "ingredient": ['mixup={"alpha": 0.3}', "sam=null"],
        "depth": ".5:1.25",
        "max_macs": "550M",
        "save_as": "mine",
    }
    run(tmp_path, trials=6, **asked)
    before = record_of(tmp_path)
    line = _command.command(study_record.read_study(tmp_path / "results.db", "s")).partition(" (")[0]
    program, *typed = shlex.split(line)
    assert program == "nas-search"
    python = [sys.executable, "-P", "-c", RUN_COMMAND.format("nas_search"), program]
    again = [*python, *typed, f"--runs={tmp_path}"]
    ended = subprocess.run(again, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    assert record_of(tmp_path) == before, "another question would be refused, and a new one searched"


def test_a_study_whose_asking_is_not_on_record_has_no_command(record: str) -> None:
    assert _command.command(study_record.read_study(record, "nas-demo")).startswith("not recorded")


def test_a_number_that_was_repeated_once_is_told_as_that(store: Store, db: str) -> None:
    """One repeat gives no interval, but it is not the training that selected the trial."""
    study = open_study(store, kind="hpo", aim={"minimise": "loss"})

    def report(number: int, loss: float, **columns: Any) -> Trial:
        trial = store.start_trial(study.id, number, **{"purpose": "search", "config": config(), **columns})
        return store.finish_trial(trial.id, "completed", [], score=loss)

    def told() -> str:
        return " ".join(study_words.describe_result(study_record.read_study(db, "demo")))

    best = report(1, 3.2)
    store.save_model(
        name="tuned", network="x", depth=1.0, width=1.0, resolution=1.0, dataset="script",
        recipe="nomad_haet", macs=0, parameters=0, val_accuracy=3.5, trainings=1, status="provisional",
        study_id=study.id, trial_id=best.id,
    )  # fmt: skip
    assert "The training that selected it had a loss of 3.2." in told()
    assert "it was not retrained" in told()
    report(2, 3.5, purpose="confirmation", of_trial_number=1)
    assert "Its loss is 3.5 (n 1)." in told()
    assert "one repeat does not tell" in told()
    assert "not retrained" not in told()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {"status": "confirmed", "probability": 0.99},
            "99.0% likely to be more accurate than the start",
        ),
        ({"status": "confirmed", "probability": None}, "That is where the search started"),
        (None, "it was not retrained"),
    ],
)
def test_the_winner_of_a_search_for_accuracy_is_told_with_its_lead(
    store: Store, db: str, model: dict[str, Any] | None, said: str
) -> None:
    study = open_study(store, kind="hpo")
    best = complete(store, study, 1, 5_000_000, 0.9)
    if model:
        store.save_model(
            name="tuned", network="senet18", depth=1.0, width=1.0, resolution=1.0, dataset="digits",
            recipe="nomad_haet", macs=5_000_000, parameters=250_000, val_accuracy=0.9, trainings=2,
            accuracy_low=0.89, accuracy_high=0.91, study_id=study.id, trial_id=best.id, **model,
        )  # fmt: skip
    assert said in " ".join(study_words.describe_result(study_record.read_study(db, "demo")))
