"""The networks of a study and their files, under the guards of everything else that the service reads."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from orchestrator.service import auth
from results.db.store import Store
from tests.orchestrator._serving import serving
from tests.orchestrator._trained import STUDY, make_study
from trainer import saved_model

FILES = f"/api/studies/{STUDY}/trials/4/files"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return make_study(tmp_path, is_trained=False)


def test_the_network_found_is_told_beside_the_base_and_again_when_the_study_changes(runs: Path) -> None:
    with serving(runs) as client:
        found, base = client.get(f"/api/studies/{STUDY}/networks").json()
        assert found == {
            "role": "found",
            "trial": 3,
            "network": "senet18",
            "layers": 3,
            "parameters": 50_000,
            "macs": 1_000_000,
            "latency_ms": None,
            "latencies": [{"device": "cpu", "device_name": "AMD", "batch": 1, "milliseconds": 4.5}],
            "accuracy": {"mean": 0.87, "low": 0.85, "high": 0.89, "trainings": 2},
            "kept": 4,
            "files": {"model.safetensors": 2, "model.json": 2},
        }
        assert (base["role"], base["layers"], base["kept"]) == ("base", 1, 1)
        with Store(runs / "results.db") as store:
            study = store.study(STUDY)
            assert study is not None
            [repeat] = [row for row in store.trials(study.id) if row.number == 4]
            store.forget_weights(repeat.id)
        assert client.get(f"/api/studies/{STUDY}/networks").json()[0]["kept"] == 3


def test_the_files_of_a_network_are_downloads(runs: Path) -> None:
    (runs / STUDY / "00004" / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    with serving(runs) as client:
        answer = client.get(f"{FILES}/model.safetensors")
        assert answer.content == bytes(range(256)) * 1000
        assert answer.headers["content-disposition"] == 'attachment; filename="model.safetensors"'
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_network_is_one_download_with_a_name_of_its_own(tmp_path: Path) -> None:
    with serving(make_study(tmp_path)) as client:
        for number in (1, 4):  # the base, and the network found
            answer = client.get(f"/api/studies/{STUDY}/trials/{number}/network.zip")
            assert answer.headers["content-type"] == "application/zip"
            named = f"attachment; filename*=utf-8''{STUDY}-trial-{number}.zip"
            assert answer.headers["content-disposition"] == named
            with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
                zipped.extractall(tmp_path / "saved")
            loaded = saved_model.load(tmp_path / "saved" / f"{STUDY}-trial-{number}")
            assert loaded.description["provenance"] == {"study": STUDY, "trial": number}
        answer = client.get(f"/api/studies/{STUDY}/trials/2/network.zip")
        assert answer.status_code == 404


def test_no_other_file_is_given_out_and_none_from_outside_the_folder_of_runs(
    runs: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("do not read")
    weights = runs / STUDY / "00004" / "model.safetensors"
    weights.unlink()
    weights.symlink_to(tmp_path / "secret")
    with serving(runs) as client:
        for file, status in (
            ("model.safetensors", 404),
            ("network.py", 404),
            ("trial.json", 422),
            ("..%2f..%2f..%2fsecret", 404),
        ):
            answer = client.get(f"{FILES}/{file}")
            assert answer.status_code == status
            assert "do not read" not in answer.text
        for file in (f"{FILES}/model.safetensors", f"{FILES[: -len('/files')]}/network.zip"):
            assert "outside the folder" in client.get(file).json()["detail"]
        assert "is not kept; see --keep-weights" in client.get(f"{FILES}/network.py").json()["detail"]
        assert client.get(f"/api/studies/{STUDY}/trials/2/files/model.json").status_code == 404
        assert client.get("/api/studies/other/networks").status_code == 404


def test_files_are_for_those_who_have_the_token_and_for_no_other_site(runs: Path, tmp_path: Path) -> None:
    token = auth.make(tmp_path / "token")
    with serving(runs, token_hash=auth.read(tmp_path / "token"), leaving=True) as client:
        file = f"{FILES}/model.json"
        assert client.get(file).status_code == 401
        shown = {"authorization": f"Bearer {token}"}
        assert client.get(file, headers=shown).content == b"{}"
        assert client.get(file, headers=shown | {"sec-fetch-site": "cross-site"}).status_code == 403
