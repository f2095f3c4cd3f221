"""The endpoints of the REST API under /api, one function each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, HTTPException, Path, Query, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orchestrator.service import files, monitoring, responses, schemas
from orchestrator.service.actions import Actions
from orchestrator.service.events import StudyWatch, stream_changes
from orchestrator.service.plots import CURVES, PLOTS, PlotCache
from orchestrator.service.queries import RecordQueries
from orchestrator.service.settings import Settings
from orchestrator.spec.base_model import BUILT_IN
from orchestrator.spec.search_options import SEARCHES
from results import file_names

api = APIRouter(prefix="/api", responses=responses.REFUSALS)
top = APIRouter(responses=responses.REFUSALS)

Name = Annotated[str, Path(max_length=300, pattern=r"^\w[\w .+-]*$", description="A study's name.")]
Number = Annotated[int, Path(ge=1, le=2**31, description="A trial's number in its study.")]
Asked = Annotated[schemas.NasSearch | schemas.HpoSearch, Body(discriminator="kind")]  # type: ignore[valid-type]
Plot = Annotated[str, Path(pattern=f"^({'|'.join(PLOTS)})$", description="One of the report's plots.")]
Chosen = Annotated[
    Sequence[Annotated[int, Field(ge=1, le=2**31)]],
    Query(max_length=8, description="A trial whose curve is shown; repeat it. Without any, all are."),
]
Kept = Annotated[
    str,
    Path(
        pattern=f"^({'|'.join(map(re.escape, file_names.NETWORK_FILES))})$",
        description="A file of a trained network (docs/trained-networks.md).",
    ),
]
Offset = Annotated[int, Query(ge=-(2**40), le=2**40, description="Byte offset; negative: from the end.")]
Most = Annotated[int, Query(ge=1, le=files.PIECE, description="Most bytes.")]


_Found = TypeVar("_Found")


class ServiceState:
    """What the application keeps for its endpoints."""

    def __init__(self, settings: Settings, record: RecordQueries, actions: Actions) -> None:
        self.settings = settings
        self.record = record
        self.actions = actions
        self.plots = PlotCache(settings.database)
        self._streams = Counter[str]()  # by client
        self._watches: dict[str, StudyWatch] = {}

    def open_stream(self, client: str) -> None:
        """Count a stream until it is closed. Raise HTTPException if there are too many."""
        limits = self.settings.limits
        if self._streams[client] >= limits.streams_of_one or self._streams.total() >= limits.streams:
            raise HTTPException(429, "too many pages are watching; close some")
        self._streams[client] += 1

    def close_stream(self, client: str) -> None:
        self._streams[client] -= 1
        self._streams += Counter()  # which removes clients that have none

    def watch(self, name: str) -> StudyWatch:
        if len(self._watches) > 200:
            self._watches.clear()
        return self._watches.setdefault(name, StudyWatch(self.record, self.settings.runs, name))


def _read_state(request: Request) -> ServiceState:
    state: ServiceState = request.app.state.service
    return state


Here = Annotated[ServiceState, Depends(_read_state)]


@api.get(
    "/choices",
    summary="Values for the form: names to choose from, and every option with its help text and type",
)
def choices(here: Here) -> Response:
    return responses.json_response(
        {
            "networks": here.actions.networks(),
            "models": [*BUILT_IN, *here.record.models()],
            "options": {kind: schemas.form_fields(kind) for kind in SEARCHES},
            "at_a_time": here.settings.at_a_time,
        }
    )


@api.get("/studies", summary="All studies and all searches in the queue, the latest first")
def studies(here: Here) -> Response:
    return responses.json_response(here.record.studies())


@api.post("/plan", summary="Plan a search: its cost. Nothing is started")
def plan(here: Here, asked: Asked) -> Response:
    return responses.json_response(here.actions.plan(*schemas.given(asked)))


@api.post("/studies", status_code=202, summary="Queue a search")
def start(here: Here, asked: Asked) -> Response:
    return responses.json_response({"study": here.actions.start(*schemas.given(asked))}, 202)


@api.get("/studies/{name}", summary="Everything about a study")
def study(here: Here, name: Name) -> Response:
    return responses.json_response(_find_study(here, name))


@api.post("/studies/{name}/stop", status_code=202, summary="Stop a search, or remove it from the queue")
def stop(here: Here, name: Name) -> Response:
    here.actions.stop(name)
    return responses.json_response({"study": name}, 202)


@api.post("/studies/{name}/resume", status_code=202, summary="Queue a study to be resumed")
def resume(here: Here, name: Name, more: schemas.Resume | None = None) -> Response:
    here.actions.resume(name, schemas.changed(more))
    return responses.json_response({"study": name}, 202)


@api.delete("/studies/{name}", summary="Delete a study: its rows, its folder, its saved models")
def delete(here: Here, name: Name, confirm: Annotated[str, Query(max_length=300)]) -> Response:
    return responses.json_response({"deleted": name, "left": here.actions.delete(name, confirm)})


@api.get("/studies/{name}/trials", summary="A study's trials by number, a page at a time")
def trials(
    here: Here,
    name: Name,
    after: Annotated[int, Query(ge=0, le=2**31)] = 0,
    most: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    rows = here.record.trials(name, after, most)
    if not rows:
        _find_study(here, name)
    return responses.json_response(rows)


@api.get("/studies/{name}/trials/{number}", summary="Everything about a trial, with its configuration")
def trial(here: Here, name: Name, number: Number) -> Response:
    return responses.json_response(_find_trial(here, name, number))


@api.get("/studies/{name}/trials/{number}/curve", summary="A trial's measurements, also while it runs")
def curve(here: Here, name: Name, number: Number) -> Response:
    row = _find_trial(here, name, number)
    if row["state"] == "running" and row["folder"]:
        return responses.json_response(
            files.read_curve(here.settings.runs, row["folder"], here.record.sought(name))
        )
    return responses.json_response(here.record.curve(name, number))


@api.get("/studies/{name}/trials/{number}/log", summary="A piece of a trial's log")
def trial_log(
    here: Here, name: Name, number: Number, offset: Offset = 0, most: Most = files.PIECE
) -> Response:
    row = _find_trial(here, name, number)
    folder = _check_found(row["folder"], "the trial was skipped before training, so it has no log")
    path = files.resolve_inside(here.settings.runs, f"{folder}/{file_names.LOG}")
    return responses.json_response(files.read_piece(path, offset, most))


@api.get(
    "/studies/{name}/trials/{number}/files/{file}",
    summary="A file of a trial's trained network, to be saved",
    response_class=FileResponse,
)
def trial_file(here: Here, name: Name, number: Number, file: Kept) -> Response:
    row = _find_trial(here, name, number)
    folder = _check_found(row["folder"], "the trial was skipped before training, so it has no network")
    path = files.resolve_inside(here.settings.runs, f"{folder}/{file}")
    if not path.is_file():
        raise HTTPException(404, f"{file} of trial {number} of {name!r} is not kept; see --keep-weights")
    return FileResponse(path, filename=file, media_type="application/octet-stream")


@api.get(
    "/studies/{name}/trials/{number}/network.zip",
    summary="A trial's trained network: its files in a folder, zipped",
    response_class=StreamingResponse,
)
def trial_network(here: Here, name: Name, number: Number) -> StreamingResponse:
    row = _find_trial(here, name, number)
    folder = _check_found(row["folder"], "the trial was skipped before training, so it has no network")
    stem = f"{name}-trial-{number}"
    zipped = files.zip_network(here.settings.runs, folder, stem)
    found = _check_found(zipped, f"the network of trial {number} of {name!r} is not kept; see --keep-weights")
    attached = f"attachment; filename*=utf-8''{quote(stem)}.zip"
    return StreamingResponse(found, 200, {"content-disposition": attached}, "application/zip")


@api.get("/studies/{name}/log", summary="A piece of the search's output, if it was started by this service")
def search_log(here: Here, name: Name, offset: Offset = 0, most: Most = files.PIECE) -> Response:
    _find_study(here, name)
    path = files.resolve_inside(here.settings.own, here.actions.worker.file(name, "log"))
    return responses.json_response(files.read_piece(path, offset, most))


@api.get("/studies/{name}/events", summary="A study's events, oldest first")
def events(here: Here, name: Name, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Response:
    _find_study(here, name)
    return responses.json_response(here.record.events(name, after))


@api.get("/studies/{name}/plots/{plot}", summary="A plot of the report as plotly JSON, with two themes")
def plot(here: Here, name: Name, plot: Plot, trial: Chosen = ()) -> Response:
    if trial and plot not in CURVES:
        raise HTTPException(422, f"trial: only {', '.join(CURVES)} are of chosen trials; omit it")
    return responses.raw_json_response(here.plots.draw(name, plot, _mark(here, name), trial))


@api.get(
    "/studies/{name}/networks", summary="The network found and the base: sizes, accuracy, latency, files"
)
def networks(here: Here, name: Name) -> Response:
    return responses.raw_json_response(here.plots.compare(name, here.settings.runs, _mark(here, name)))


@api.get(
    "/studies/{name}/report", summary="The study's report, an HTML page to be saved", response_class=Response
)
def report(here: Here, name: Name) -> Response:
    saved = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}.html"}
    html = here.plots.report(name).encode(errors="replace")
    return Response(html, media_type="text/html; charset=utf-8", headers=saved)


@api.get("/compare", summary="Studies side by side: results, settings that differ, a plot of their networks")
def compare(
    here: Here,
    study: Annotated[list[Name], Query(min_length=2, max_length=6, description="A study's name; repeat it.")],
) -> Response:
    names = list(dict.fromkeys(study))
    marks = tuple(_mark(here, name) for name in names)
    return responses.raw_json_response(here.plots.compare_studies(names, marks))


@api.get("/health", summary="Whether database, disk and queue work: 200 or 503. It needs no token")
def health(here: Here) -> Response:
    works = monitoring.check_health(here.settings, here.actions.worker)
    return responses.json_response(works, 200 if all(works.values()) else 503)


@api.get("/docs", include_in_schema=False)
def docs() -> Response:
    return RedirectResponse("../#/docs")  # the page has a token to show, which a plain address has not


@top.get("/metrics", summary="Metrics in Prometheus' text format", response_class=PlainTextResponse)
def metrics(here: Here) -> Response:
    text = monitoring.metrics_text(here.settings, here.record.totals())
    return Response(text, media_type=monitoring.METRICS_TYPE)


class _Stream(StreamingResponse):
    """An endless response. It counts for a client until it ends."""

    def __init__(self, here: ServiceState, client: str, parts: AsyncIterator[str]) -> None:
        here.open_stream(client)
        super().__init__(parts, media_type="text/event-stream")
        self._close = partial(here.close_stream, client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


@api.get("/studies/{name}/stream", summary="Server-sent events: study, trials, clocks, note, gone")
async def changes(here: Here, name: Name, request: Request) -> StreamingResponse:
    last = request.headers.get("last-event-id", "")
    if re.fullmatch(r"[0-9]{0,15}", last) is None:
        raise HTTPException(400, "the header last-event-id is malformed; give the number of an event")
    client = request.client.host if request.client else ""
    return _Stream(here, client, stream_changes(here.watch(name), here.record, int(last) if last else None))


def _mark(here: ServiceState, name: str) -> Hashable:
    """Return a value that changes with the study. Raise HTTPException if there is none."""
    study = _find_study(here, name)
    return study["created_at"], study["state"], study["min_accuracy"], hash(repr(here.record.marks(name)))


def _find_study(here: ServiceState, name: str) -> dict[str, Any]:
    return _check_found(here.record.study(name), f"there is no study {name!r}")


def _find_trial(here: ServiceState, name: str, number: int) -> dict[str, Any]:
    return _check_found(here.record.trial(name, number), f"there is no trial {number} of {name!r}")


def _check_found(found: _Found | None, otherwise: str) -> _Found:
    if found is None:
        raise HTTPException(404, otherwise)
    return found
