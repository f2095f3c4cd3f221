"""The token that authorises clients. It is printed once; only its hash is kept.

A token has 256 random bits, so a plain SHA-256 is enough: guessing the token is not easier with it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from orchestrator.spec.options import BadOption


def make(path: Path) -> str:
    """Write the hash of a new token to `path`, readable only by its owner, and return the token."""
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"sha256:{_hash(token)}\n")
    os.replace(new, path)
    return token


def read(path: Path) -> str:
    """Return the hash at `path`. Raise BadOption if there is none."""
    try:
        kind, _, digest = path.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(
            f"--token-file {path} cannot be read; create one with nas-serve --new-token"
        ) from error
    if kind != "sha256" or len(digest) != 64:
        raise BadOption(
            f"--token-file {path} holds no hash of a token; create one with nas-serve --new-token"
        )
    return digest


def fits(shown: str, token_hash: str) -> bool:
    """Whether a token has this hash, compared in constant time."""
    return hmac.compare_digest(_hash(shown), token_hash)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
