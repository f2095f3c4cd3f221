"""The service's responses: JSON of rows from the database, and errors in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from orchestrator.service.files import Elsewhere
from orchestrator.spec.command_options import BadOption
from results.errors import NotOnRecord, QuestionChanged, StoreError, StudyLocked
from results.export import json_value

_EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"  # an empty style, which plotly sets too
_STYLES = f"'self' 'unsafe-hashes' 'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o=' {_EMPTY}"  # plotly's
HEADERS = {
    "content-security-policy": f"default-src 'none'; script-src 'self'; style-src {_STYLES}; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class WrongField(BaseModel):
    """An option of the body that is refused."""

    field: str
    message: str


class Refused(BaseModel):
    """Why a request failed, in one line; of a 422 also at which options, as far as that is known."""

    detail: str
    errors: list[WrongField] = []


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": text}
    for status, text in {
        400: "a header is malformed",
        401: "the token is missing or wrong",
        403: "the request comes from a page of another site",
        404: "there is no such study, trial or file",
        408: "the request did not arrive in time",
        409: "the study is not in a state for that",
        413: "the body is too large",
        415: "the body is not JSON",
        421: "the service has another host name",
        422: "an option is unknown or out of range",
        429: "too many requests, or the service is busy",
        503: "the results database cannot be read or written",
    }.items()
}


def to_json(value: Any) -> str:
    """Return compact JSON. Infinities become null, since JSON has none."""
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_to_plain
        )
    except ValueError:
        return json.dumps(json_value(json.loads(json.dumps(value, default=_to_plain))), ensure_ascii=False)


def json_response(value: Any, status: int = 200) -> Response:
    """Return the response with this JSON value."""
    return raw_json_response(to_json(value).encode(errors="replace"), status)


def raw_json_response(json_text: bytes, status: int = 200) -> Response:
    """Return the response with JSON that is already text."""
    return Response(json_text, status_code=status, media_type="application/json")


def error_response(request: Request, error: Exception) -> Response:
    """Return the response for an error that a client can act on."""
    del request
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": str(error.detail)}, error.status_code, headers=error.headers)
    if isinstance(error, RequestValidationError):
        wrong = [{"field": _name(one), "message": _explain(one)} for one in error.errors()]
        return JSONResponse({"detail": _one_line(error), "errors": _printable(wrong)}, 422)
    if isinstance(error, BadOption):
        return JSONResponse({"detail": _flat(error), "errors": _wrong_option(_flat(error))}, 422)
    statuses: dict[type[Exception], int] = {
        QuestionChanged: 422,
        Elsewhere: 404,
        NotOnRecord: 404,
        StudyLocked: 409,
    }
    status = next((code for kind, code in statuses.items() if isinstance(error, kind)), 503)
    if isinstance(error, OSError):  # a full disk, a folder that cannot be written
        where = f"{error.filename}: " if error.filename else ""
        return JSONResponse({"detail": f"{where}{error.strerror}; fix that and ask again"}, 503)
    return JSONResponse({"detail": _flat(error)}, status)


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())


def _wrong_option(message: str) -> list[dict[str, str]]:
    """Return the option that a command's message is about: the first that it names."""
    named = re.search(r"--([a-z][a-z-]*)", message)
    return [{"field": named[1].replace("-", "_"), "message": message}] if named else []


CLIENT_ERRORS = (HTTPException, RequestValidationError, BadOption, Elsewhere, StoreError, OSError)


_NO_OBJECT = 'the body is not a JSON object; give one like {{"trials": 200}}'
# what is wrong with a request, by pydantic's name for it
_WORDS = {
    "missing": "{name} is missing; give it",
    "extra_forbidden": "{name} is not an option of this search; GET /api/choices has those that are",
    "union_tag_not_found": "kind is missing; give nas or hpo",
    "union_tag_invalid": "kind is unknown; give nas or hpo",
    "json_invalid": _NO_OBJECT,
    "model_type": _NO_OBJECT,
    "model_attributes_type": _NO_OBJECT,
    "int_parsing": "{name} is not a whole number; give one like 12",
    "int_parsing_size": "{name} has too many digits; give a smaller number",
    "greater_than_equal": "{name} is out of range; give at least {ge}",
    "less_than_equal": "{name} is out of range; give at most {le}",
    "string_pattern_mismatch": "{name} is unknown; give one that matches {pattern}",
    "string_too_long": "{name} is too long; give at most {max_length} characters",
}


def _one_line(error: RequestValidationError) -> str:
    return "; ".join(map(_explain, error.errors())).encode(errors="replace").decode()[:2000]


def _printable(wrong: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first errors, in characters that JSON takes and of a length that a page shows."""
    return [
        {key: text.encode(errors="replace").decode()[:300] for key, text in one.items()} for one in wrong[:20]
    ]


def _name(wrong: Mapping[str, Any]) -> str:
    """Return what is wrong: an option, a part of the address, or nothing for the whole body."""
    return " ".join(str(part) for part in wrong["loc"] if part not in ("body", "path", "query", "nas", "hpo"))


def _explain(wrong: Mapping[str, Any]) -> str:
    """Return what is wrong and what to do. The value is not shown: it may be long, or not printable."""
    name = _name(wrong) or "the body"
    words = _WORDS.get(wrong["type"], "{name}: {msg}; see /api/openapi.json")
    return words.format_map({**wrong.get("ctx", {}), "name": name, "msg": wrong["msg"].lower()})


def _to_plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if hasattr(value, "tolist"):  # an array of numpy
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
