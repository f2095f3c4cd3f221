"""The token that authorises clients. It is printed once; only its hash is kept.

A token has 256 random bits, so a plain SHA-256 is enough: guessing the token is not easier with it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from orchestrator.executors._process.files import replace_file
from orchestrator.spec.command_options import BadOption, check

_REMEDY = "create one with nas-serve --new-token"


def make(path: Path) -> str:
    """Write the hash of a new token to `path`, readable only by its owner, and return the token."""
    token = secrets.token_urlsafe(32)
    with replace_file(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"sha256:{_hash(token)}\n".encode())
    return token


def read(path: Path) -> str:
    """Return the hash at `path`. Raise BadOption if there is none."""
    try:
        kind, _, digest = path.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"--token-file {path} cannot be read; {_REMEDY}") from error
    check(kind == "sha256" and len(digest) == 64, f"--token-file {path} holds no hash of a token; {_REMEDY}")
    return digest


def has_hash(token: str, token_hash: str) -> bool:
    """Return whether a token has this hash, compared in constant time."""
    return hmac.compare_digest(_hash(token), token_hash)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
