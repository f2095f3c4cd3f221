"""Searches over HTTP: queued, watched, stopped, resumed, deleted; and found again by another service."""

from __future__ import annotations

import errno
import fcntl
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from orchestrator.search.baseline import BaselineFailed
from orchestrator.service import app, responses, schemas
from orchestrator.service.files import read_piece
from orchestrator.service.queue_worker import QueueWorker
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.search_options import SEARCHES
from orchestrator.trainer_client import Stopped
from results import study_record
from results.db import locks
from results.db.search_queue import SearchQueue
from results.db.store import Store
from results.errors import StoreUnavailable
from tests.orchestrator import _studies
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import ASKED, post, reaches, serving, settings, state, trials, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with the study `there` on its record."""
    folder = tmp_path_factory.mktemp("served")
    _studies.run(folder, study="there", trials=3, tolerance=0.0)
    with serving(folder) as client:
        yield client


def test_a_search_is_started_watched_stopped_resumed_and_deleted(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        slow = {**ASKED, "data": "fake:sleep=.4"}
        assert post(client, "/api/studies", **slow).json() == {"study": "s"}
        assert post(client, "/api/studies", **slow).status_code == 409
        assert eventually(lambda: len(trials(client)) >= 2, 60)
        assert client.delete("/api/studies/s", params={"confirm": "s"}).status_code == 409
        post(client, "/api/studies/s/stop").raise_for_status()
        assert reaches(client, "stopped")
        assert "trial 1 starts" in client.get("/api/studies/s/log").json()["text"]
        before = len(trials(client))
        assert post(client, "/api/studies/s/resume", trials=5).status_code == 202
        assert reaches(client, "finished")
        assert len(trials(client)) > before
        told = client.get("/api/studies/s").json()
        assert (told["budget_trials"], told["trainings"]) == (5, 5)
        assert client.delete("/api/studies/s", params={"confirm": "t"}).status_code == 422
        assert client.delete("/api/studies/s", params={"confirm": "s"}).json()["left"] is None
        assert state(client) is None
    assert not (tmp_path / "s").exists()
    with Store(tmp_path / "results.db", read_only=True) as store:
        assert store.studies() == []
        assert store.models() == []


@pytest.mark.slow
def test_another_service_takes_up_the_queue_and_leaves_what_runs_alone(tmp_path: Path) -> None:
    with serving(tmp_path, leaving=True) as client:
        post(client, "/api/studies", **{**ASKED, "data": "fake:sleep=.3"})
        post(client, "/api/studies", **{**ASKED, "study": "t"})
        post(client, "/api/studies", **{**ASKED, "study": "u"})
        assert state(client, "u") == "queued"
        assert eventually(lambda: len(trials(client)) >= 1, 60)
    with serving(tmp_path) as client:
        assert state(client) == "running"
        assert post(client, "/api/studies/u/stop").status_code == 202
        assert state(client, "u") is None
        assert reaches(client, "finished")
        assert reaches(client, "finished", "t")
        assert all(row["attempts"] <= 1 for row in trials(client)), "the running trial was left to run"


def test_a_search_started_on_the_command_line_is_there_and_can_be_resumed(tmp_path: Path) -> None:
    stop = threading.Event()

    def on_the_command_line() -> None:
        with pytest.raises(Stopped):
            _studies.run(tmp_path, stop, data="fake:sleep=.2")

    search = threading.Thread(target=on_the_command_line)
    search.start()
    with serving(tmp_path) as client:
        assert eventually(lambda: state(client) == "running" and len(trials(client)) > 0, 30)
        assert post(client, "/api/studies/s/resume").status_code == 409
        stop.set()
        search.join()
        assert reaches(client, "stopped")
        told = client.get("/api/studies/s").json()
        assert told["options"]["data"] == "fake:sleep=.2"
        assert told["resumable"]


def test_a_search_over_a_space_in_a_file_is_resumed_on_the_command_line_alone(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text("[learning_rate]\nlow = 0.01\nhigh = 0.1\n")
    space = f"{tmp_path / 'space.toml'}"
    _studies.run(tmp_path, kind="hpo", subject="senet18", space=space, trials=2, confirm=0, study="own")
    _studies.run(tmp_path, trials=3)
    with serving(tmp_path) as client:
        assert client.get("/api/studies/s").json()["resumable"]
        assert not client.get("/api/studies/own").json()["resumable"]
        refused = post(client, "/api/studies/own/resume")
        assert (refused.status_code, "command line" in refused.text) == (422, True)


@pytest.mark.slow
def test_a_search_of_a_folder_is_named_after_it_and_one_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    data = f"folder:{tmp_path / 'images' / 'my photos'}"
    _studies.run(tmp_path / "old", data=data, study="nas-senet18-folder", trials=4)
    asked = {**ASKED, "study": None, "data": "folder:my photos", "tolerance": 0.01}
    for folder, name in (
        (tmp_path / "new", "nas-senet18-my-photos"),
        (tmp_path / "old", "nas-senet18-folder"),
    ):
        with serving(folder, data_root=tmp_path / "images") as client:
            told = post(client, "/api/plan", **asked).json()
            assert (told["study"], told["on_record"]) == (name, folder.name == "old")
            assert post(client, "/api/studies", **asked).json() == {"study": name}
            assert reaches(client, "finished", name)
            assert client.get(f"/api/studies/{name}").json()["trainings"] == 6
            assert len(client.get("/api/studies").json()) == 1


def test_files_of_another_database_s_study_are_left_when_one_of_that_name_is_deleted(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, db=str(tmp_path / "other.db"))
    _studies.run(tmp_path / "elsewhere", trials=3, db=str(tmp_path / "results.db"))
    with serving(tmp_path) as client:
        told = client.delete("/api/studies/s", params={"confirm": "s"}).json()
        assert told == {
            "deleted": "s",
            "left": f"{tmp_path / 's'} is left: it belongs to ../other.db",
        }
        assert state(client) is None
    assert len(list((tmp_path / "s").glob("*/metrics.jsonl"))) >= 2


def test_a_search_that_died_with_its_service_before_it_opened_its_study_is_taken_up(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    with SearchQueue(str(tmp_path / "results.db")) as queue:
        request = queue.request("s")
        assert request is not None
        asked = {**request.options, "trials": 5}
        assert queue.enqueue("s", request.kind, request.subject, asked, most=1)
        assert queue.take(request.id)  # as far as a service came that was killed with its search
    with serving(tmp_path) as client:
        assert eventually(lambda: client.get("/api/studies/s").json()["trainings"] == 5, 60)
        assert reaches(client, "finished")


def test_a_search_that_ended_while_no_service_was_there_is_not_run_again(tmp_path: Path) -> None:
    with SearchQueue(str(tmp_path / "results.db")) as queue:
        assert queue.enqueue("s", "nas", "senet18", {"trials": 3}, most=1)
        waiting = queue.request("s")
        assert waiting is not None
        assert queue.take(waiting.id)
        _studies.run(tmp_path, trials=3, replicates=1)
        with closing(QueueWorker(settings(tmp_path), queue)) as searches:
            searches.open()
            assert eventually(lambda: queue.requests("running") == [], 20)
        assert queue.requests("queued") == []


def test_a_search_that_a_full_disk_kept_from_starting_is_started_when_there_is_room(tmp_path: Path) -> None:
    class FullAtFirst(SearchQueue):
        full = True

        def take(self, request_id: int) -> bool:
            if self.full:
                self.full = False
                raise StoreUnavailable("database or disk is full")
            return super().take(request_id)

    with FullAtFirst(str(tmp_path / "results.db")) as queue:
        searches = QueueWorker(settings(tmp_path), queue)
        searches.settings.own.mkdir()
        asked = {name: value for name, value in ASKED.items() if name not in ("kind", "base", "study")}
        assert queue.enqueue("s", "nas", "senet18", asked, most=1)
        with pytest.raises(StoreUnavailable):
            searches.tick()
        searches.tick()
        assert [request.study for request in queue.requests("running")] == ["s"]
        assert searches.stop("s")

        def is_over() -> bool:
            searches.tick()
            return queue.requests("running") == []

        assert eventually(is_over, 60)


def test_a_full_disk_is_told_of_in_one_line() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "runs/results.db.s.lock")
    answer = responses.error_response(Request({"type": "http"}), full)
    assert answer.status_code == 503
    said = json.loads(bytes(answer.body))
    assert said == {"detail": "runs/results.db.s.lock: No space left on device; fix that and ask again"}
    assert OSError in responses.CLIENT_ERRORS


def test_files_that_cannot_be_removed_are_told_of(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=3, replicates=1)
    with serving(tmp_path) as client:
        log = tmp_path / ".service" / "s.log"
        log.mkdir()
        told = client.delete("/api/studies/s", params={"confirm": "s"}).json()
        assert told == {"deleted": "s", "left": f"{log} is left: Is a directory"}
        assert state(client) is None


@pytest.mark.slow
def test_a_search_is_stopped_by_a_service_that_did_not_start_it_before_it_opens_its_study(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, leaving=True) as client:
        post(client, "/api/studies", **{**ASKED, "data": "fake:sleep=.3"})
        assert reaches(client, "starting") or state(client) == "running"
    with serving(tmp_path) as client:
        assert post(client, "/api/studies/s/stop").status_code == 202
        assert until(client, lambda rows: all(row["state"] not in ("starting", "running") for row in rows))


def test_a_number_of_a_process_on_record_is_not_signalled_without_its_mark(tmp_path: Path) -> None:
    """The machine went down, and another process has the number of the search."""
    (tmp_path / ".service").mkdir()
    lock = tmp_path / ".service" / "s.lock"
    with SearchQueue(str(tmp_path / "results.db")) as queue, subprocess.Popen(["sleep", "60"]) as stranger:
        assert queue.enqueue("s", "nas", "senet18", {}, most=1)
        request = queue.request("s")
        assert request is not None
        assert queue.take(request.id)
        queue.started(request.id, stranger.pid)
        signed = locks.signature(stranger.pid)
        searches = QueueWorker(settings(tmp_path), queue)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for words in ("", json.dumps({**signed, "mark": "AAAAAAAA"})):
                lock.write_text(words)
                assert not searches.stop("s")
            assert stranger.poll() is None
            lock.write_text(json.dumps(signed))
            assert searches.stop("s")
            assert stranger.wait(20) == -signal.SIGTERM


def test_what_a_search_is_refused_for_is_its_message(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        post(client, "/api/studies", **{**ASKED, "data": "fake:refuse_late"})
        assert reaches(client, "failed")
        message = client.get("/api/studies/s").json()["message"]
        assert message.startswith("nas-search: the trainer refuses trial 1: refused as asked")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(
            {"trials": 2},
            "--trials 2 leaves no training for the search after 2 of the base network; give at least 3",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"base": "nosuch"}, "no network 'nosuch'; choose from resnet18, senet18", marks=pytest.mark.slow
        ),
        pytest.param(
            {"solver": "cmaes", "minimise": "macs", "maximise": "accuracy", "replicates": None},
            "--solver cmaes handles one objective, not 2",
            marks=pytest.mark.slow,
        ),
        pytest.param({"solver": "nosuch"}, "--solver nosuch is unknown", marks=pytest.mark.slow),
        pytest.param({"device": "cuda"}, "use --device cpu to train on the CPU", marks=pytest.mark.slow),
        ({"budget": "20steps", "study": "there"}, "settings: budget steps: 10 recorded, 20 now"),
    ],
    ids=["trials", "base", "objectives", "solver", "device", "question"],
)
def test_what_a_search_would_be_refused_for_at_its_beginning_is_refused_at_once(
    served: httpx.Client, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object], words: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    said = {name: value for name, value in {**ASKED, **asked}.items() if value is not None}
    for address in ("/api/studies", "/api/plan"):
        answer = post(served, address, **said)
        assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert [row["name"] for row in served.get("/api/studies").json()] == ["there"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"trials": 0}, "trials"),
        ({"trials": 2}, "trials"),
        ({"min_accuracy": 7}, "min_accuracy"),
        ({"train_images": "some"}, "train_images"),
        ({"clock": "later"}, "clock"),
        ({"nosuch": 1}, "nosuch"),
    ],
)
def test_a_refusal_names_the_field(served: httpx.Client, asked: dict[str, object], field: str) -> None:
    answer = post(served, "/api/plan", **{**ASKED, **asked})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["message"]) == (field, answer.json()["detail"])


def test_the_form_knows_the_range_of_each_number(served: httpx.Client) -> None:
    options = served.get("/api/choices").json()["options"]["nas"]
    assert [options["trials"][key] for key in ("type", "least", "most", "closed")] == [
        *("int", 1, 1_000_000, False)
    ]
    assert (options["max_gpu_hours"]["least"], options["max_gpu_hours"]["most"]) == (0, None)
    assert (options["draw"]["closed"], options["metric"]["closed"]) == (True, False)


def test_a_study_that_the_service_itself_holds_is_not_stopped_by_ending_the_service(tmp_path: Path) -> None:
    Store(tmp_path / "results.db").close()
    with SearchQueue(str(tmp_path / "results.db")) as queue, queue.lock_study("s"):
        assert not QueueWorker(settings(tmp_path), queue).stop("s")


def test_a_resume_with_too_small_a_budget_is_refused_at_once(served: httpx.Client) -> None:
    answer = post(served, "/api/studies/there/resume", trials=1)
    assert answer.status_code == 422
    assert "--trials 1 leaves no training for the search" in answer.json()["detail"]


@pytest.mark.slow
def test_a_search_whose_base_is_at_chance_is_resumed_with_force(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed):
        _studies.run(tmp_path, learning_rate=1e5, trials=4)
    with serving(tmp_path) as client:
        assert post(client, "/api/studies/s/resume", force=True).status_code == 202
        assert reaches(client, "finished")
        assert client.get("/api/studies/s").json()["options"]["force"] is True
        assert post(client, "/api/studies/s/resume", force=False, trials=5).status_code == 202
        assert until(client, lambda rows: rows[0]["state"] == "finished" and rows[0]["budget_trials"] == 5)
        assert "force" not in client.get("/api/studies/s").json()["options"]


def test_a_trainer_that_gives_no_answer_is_told_of(tmp_path: Path) -> None:
    with serving(tmp_path, trainer="/bin/false") as client:
        answer = post(client, "/api/studies", **ASKED)
        assert answer.status_code == 422
        assert "did not answer; run it by hand to see why" in answer.json()["detail"]


def test_a_plan_says_what_a_search_would_cost_and_starts_nothing(served: httpx.Client) -> None:
    told = post(served, "/api/plan", **ASKED).json()
    assert told["study"] == "s"
    assert any(line.startswith("cost: 6 times 10 steps") for line in told["lines"])
    assert [row["name"] for row in served.get("/api/studies").json()] == ["there"]


def test_a_trial_tells_its_curve_and_its_log(tmp_path: Path) -> None:
    _studies.run(tmp_path)
    with serving(tmp_path) as client:
        curve = client.get("/api/studies/s/trials/1/curve").json()
        assert [row["epoch"] for row in curve] == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert client.get("/api/studies/s/trials/1").json()["config"]["model"] == "senet18"
        assert client.get("/api/studies/s/trials/1/log").status_code == 200
        assert client.get("/api/studies/s/trials/99/curve").status_code == 404
        assert len(client.get("/api/studies/s/trials", params={"after": 3, "most": 2}).json()) == 2


def test_a_plot_of_the_report_is_told_and_made_again_when_the_study_changes(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=4)
    with serving(tmp_path) as client:
        names = ("front", "timeline", "importance")
        told = {name: client.get(f"/api/studies/s/plots/{name}").json() for name in names}
        assert told["importance"]["nothing"], "an empty plot says why"
        assert {"light", "dark"} == set(told["front"]["themes"])
        assert client.get("/api/studies/s/plots/timeline").json() == told["timeline"]
        _studies.run(tmp_path, trials=8)
        after = client.get("/api/studies/s/plots/timeline").json()
        assert len(str(after["data"])) > len(str(told["timeline"]["data"]))
        assert client.get("/api/studies/s/plots/nope").status_code == 422
        assert client.get("/api/studies/nope/plots/front").status_code == 404
        assert client.get("/static/plotly.js").headers["cache-control"] == "private, max-age=86400"
        assert client.head("/").status_code == 200


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with app.listen("127.0.0.1", 0) as taken, pytest.raises(BadOption, match="in use; give another --port"):
        app.listen("127.0.0.1", taken.getsockname()[1])


def test_a_stream_tells_of_trials_as_they_come(tmp_path: Path) -> None:
    _studies.run(tmp_path, trials=4)
    with serving(tmp_path) as client, client.stream("GET", "/api/studies/s/stream") as stream:
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines) == "event: study"
        assert json.loads(next(lines).removeprefix("data: "))["state"] == "finished"
        _studies.run(tmp_path, trials=6)
        told = next(next(lines) for line in lines if line == "event: trials")
        assert max(row["number"] for row in json.loads(told.removeprefix("data: "))) > 4


def test_a_log_is_read_in_pieces_that_cut_no_character(tmp_path: Path) -> None:
    log, words = tmp_path / "log.txt", "a Ü ≤ 𝄞 z"
    log.write_text(words)
    for most in range(4, 12):
        offset, read = 0, ""
        while offset < log.stat().st_size:
            part = read_piece(log, offset, most)
            read, offset = read + part["text"], part["next_offset"]
        assert read == words


def test_every_option_of_a_search_is_one_of_its_command(tmp_path: Path) -> None:
    for kind, model in (("nas", schemas.NasSearch), ("hpo", schemas.HpoSearch)):
        flags = schemas.command(kind, "x", dict.fromkeys(model.model_fields, 1), settings(tmp_path))
        assert "--base-width=1" in flags


def test_the_owner_s_notice_is_of_every_search_and_no_client_sets_one(tmp_path: Path) -> None:
    owner = replace(settings(tmp_path), on_end="send mail")
    assert "--on-end=send mail" in schemas.command("nas", "senet18", {}, owner)
    with pytest.raises(BadOption, match="on_end can be given only on the command line"):
        schemas.restrict_options("nas", "senet18", {"on_end": "rm -rf /"}, owner)


def test_no_option_that_names_a_file_or_a_command_is_offered() -> None:
    """A new option of the commands is offered here by itself: this is where a dangerous one is seen."""
    dangerous = ("path", "file", "folder", "command", "url")
    for kind in SEARCHES:
        offered = {name: field["help"].lower() for name, field in schemas.form_fields(kind).items()}
        named = [name for name, words in offered.items() if any(word in words for word in dangerous)]
        # a base or a space in a file, and data elsewhere, are refused by `restrict_options`
        assert named == {"nas": ["base", "data"], "hpo": ["space", "data"]}[kind]


def test_curves_are_of_the_trials_that_are_asked_for(served: httpx.Client) -> None:
    plots = "/api/studies/there/plots"
    both = served.get(f"{plots}/curves-progress", params={"trial": [2, 1]}).json()
    assert [trace["name"].partition(":")[0] for trace in both["data"]] == ["trial 2", "trial 1"]
    for plot, trial, status in (("curves-val_loss", 99, 404), ("front", 1, 422), ("curves-progress", 0, 422)):
        assert served.get(f"{plots}/{plot}", params={"trial": trial}).status_code == status
    assert served.get(f"{plots}/curves-progress", params={"trial": [*range(1, 10)]}).status_code == 422


@pytest.mark.parametrize(
    ("asked", "name", "column"),
    [({"base_width": 0.25}, "width", "width"), ({"kind": "hpo"}, "learning_rate", "learning_rate")],
    ids=["width", "rate"],
)
def test_terminal_page_and_report_show_what_the_training_got(
    tmp_path: Path, asked: dict[str, Any], name: str, column: str
) -> None:
    printed = _studies.run(tmp_path, **{"trials": 8, **asked})
    rows = [row for row in _studies.trials(tmp_path) if row.purpose == "search" and row.state == "completed"]
    assert any((row.point or {})[name] != getattr(row, column) for row in rows), (
        "the solver has another scale"
    )
    reported = study_record.read_study(tmp_path / "results.db", "s").by_number
    with serving(tmp_path) as client:
        listed = {row["number"]: row for row in trials(client)}
        for row in rows:
            got, one = getattr(row, column), client.get(f"/api/studies/s/trials/{row.number}").json()
            assert f"trial {row.number} starts: search" in printed
            [line] = [each for each in printed.splitlines() if each.startswith(f"trial {row.number} starts")]
            assert f"{name} {got:.4g}" in line
            shown = [listed[row.number]["candidate"], one["candidate"], reported[row.number]["candidate"]]
            assert [candidate[name] for candidate in shown] == [got] * 3
            assert one["point"] == row.point, "the solver's own"
