"""The token that a client shows. It is printed once; what is kept is its hash.

A token has 256 random bits, so a plain SHA-256 of it can be guessed back no sooner than the token itself.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from orchestrator.spec.options import BadOption


def make(path: Path) -> str:
    """Put the hash of a new token at `path`, for its owner's eyes, and return the token."""
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"sha256:{_hash(token)}\n")
    os.replace(new, path)
    return token


def read(path: Path) -> str:
    """Return the hash at `path`. Raise BadOption where there is none."""
    try:
        kind, _, digest = path.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"--token-file {path} cannot be read; make one with nas-serve --new-token") from error
    if kind != "sha256" or len(digest) != 64:
        raise BadOption(f"--token-file {path} holds no token's hash; make one with nas-serve --new-token")
    return digest


def fits(shown: str, token_hash: str) -> bool:
    """Whether the token shown is the one hashed, in a time that tells nothing of how much of it is right."""
    return hmac.compare_digest(_hash(shown), token_hash)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
