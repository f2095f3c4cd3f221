"""`nas-search --server URL`: the options go to a service, and so do its refusals come back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.cli import client as remote
from orchestrator.cli import commands
from orchestrator.service import auth
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.search_options import NasOptions
from tests.orchestrator._serving import ASKED, reaches, serving

WORDS = [f"--{name}={value}" for name, value in ASKED.items() if name != "kind"]


def typed(monkeypatch: pytest.MonkeyPatch, client: httpx.Client, *more: str) -> int | str | None:
    """Type `nas-search` for the service, and return the exit code."""
    monkeypatch.setattr(sys, "argv", ["nas-search", f"--server={client.base_url}", *WORDS, *more])
    with pytest.raises(SystemExit) as end:
        commands.nas_search()
    return end.value.code


@pytest.mark.slow
def test_a_search_is_started_at_a_service_that_knows_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = auth.make(tmp_path / "hash")
    (tmp_path / "mine").write_text(made + "\n")
    with serving(tmp_path / "runs", token_hash=auth.read(tmp_path / "hash")) as client:
        assert typed(monkeypatch, client) == 2
        assert "asks for its token; give --token-file FILE, or NAS_TOKEN" in capsys.readouterr().err
        (tmp_path / "wrong").write_bytes(b"\xc0\xc0")
        for path in (tmp_path / "wrong", tmp_path / "none", tmp_path):
            assert typed(monkeypatch, client, f"--token-file={path}") == 2
            assert f"--token-file {path} cannot be read" in capsys.readouterr().err
        assert typed(monkeypatch, client, f"--token-file={tmp_path / 'mine'}", "--json") == 0
        queued, end = map(json.loads, capsys.readouterr().out.splitlines())
        assert queued == {"event": "queued", "study": "s", "address": f"{client.base_url}/#/study/s"}
        assert (end["event"], end["exit_code"]) == ("end", 0)
        client.headers["authorization"] = f"Bearer {made}"
        assert reaches(client, "finished")


def test_what_a_service_refuses_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as client:
        assert typed(monkeypatch, client, "--trainer=./mine") == 2
        assert capsys.readouterr().err == (
            f"nas-search: the service at {str(client.base_url).rstrip('/')} refuses: "
            "trainer is not an option of this search; GET /api/choices has those that are\n"
        )
    assert typed(monkeypatch, client, "--tolerance=nan") == 2
    assert "--tolerance nan is not a fraction; 87% is 0.87" in capsys.readouterr().err
    assert typed(monkeypatch, client) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert typed(monkeypatch, client, "--json") == 2
    assert "cannot be reached" in json.loads(capsys.readouterr().out)["error"]
    assert typed(monkeypatch, client, "--server=http://me:secret@127.0.0.1:1") == 2
    said = capsys.readouterr().err
    assert "--server takes no user or password" in said
    assert "secret" not in said


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def answer(server: str) -> Any:
    return remote._answer(server, "/api/plan", {"kind": "nas"}, {})


@pytest.mark.usefixtures("no_proxies")
def test_no_proxy_stands_between_this_machine_and_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for proxy in ("socks5://127.0.0.1:9", "http://127.0.0.1:9", "nonsense"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with serving(tmp_path) as client:
            assert typed(monkeypatch, client, "--trainer=./mine") == 2
            assert "refuses: trainer is not an option" in capsys.readouterr().err


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    "proxy", ["socks5://me:secret@127.0.0.1:9", "http://me:secret@127.0.0.1:9", "odd://x"]
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(BadOption) as refused:
        answer("http://gpu-box.invalid:8420")
    said = str(refused.value)
    assert f"through the proxy {proxy.replace('me:secret@', '')} of the environment" in said
    assert "add gpu-box.invalid to NO_PROXY" in said
    assert "secret" not in said
    monkeypatch.setenv("NO_PROXY", "gpu-box.invalid")
    with pytest.raises(BadOption, match="is nas-serve running there"):
        answer("http://gpu-box.invalid:8420")


@pytest.mark.parametrize("server", ["", "gpu-box", "http://[::1", "http://"])
def test_a_server_without_an_address_is_refused(server: str) -> None:
    with pytest.raises(BadOption, match="is not an address; give one like http://gpu-box:8420"):
        remote.start(NasOptions, {"server": server})
