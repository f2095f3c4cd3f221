"""A trainer's fork server process (docs/trainer-protocol.md, `COMMAND host`), and our end of its socket.

Requests may be sent while it still imports. A program that does not support `host` is only recognised when it
ends: the connections of requests sent to it are closed.
"""

import json
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress

GREETING, READY = b"host 1\n", b"host 1\nready\n"
_SEND_SECONDS = 60.0  # for a request larger than the socket holds while the host imports


class ForkServer:
    """A running fork server. Raises OSError if the program cannot be started."""

    def __init__(self, trainer: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = b""
        self._door, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed with the door
        try:
            self._process = subprocess.Popen(
                [*trainer, "host"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C is for the orchestrator alone
            )
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()  # so that the death of the server reads as the end of the socket

    def ask(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket | None:
        """Send a request with descriptors; return the connection on which its trial is reported, or None."""
        ours, theirs = socket.socketpair()
        ours.settimeout(_SEND_SECONDS)
        text = json.dumps(request).encode() + b"\n"
        try:
            with theirs:
                socket.send_fds(self._door, [b"t"], [theirs.fileno()])
            sent = socket.send_fds(ours, [text], descriptors)
            ours.sendall(text[sent:])
        except OSError:  # it has ended
            ours.close()
            return None
        return ours

    def has_greeted(self) -> bool:
        """Whether the program has sent the greeting of a fork server."""
        return self._all_it_said().startswith(GREETING)

    def is_ready(self) -> bool:
        """Whether its imports are done, so that it may have started requested trials."""
        return self._all_it_said().startswith(READY)

    def end(self) -> str:
        """End the process, but not its trials, and return the last line of its stderr."""
        self._process.kill()
        self._process.wait()
        self._all_it_said()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        self._close()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _all_it_said(self) -> bytes:
        with suppress(OSError):  # nothing yet, or closed: then what was received before counts
            self._said = self._door.recv(len(READY), socket.MSG_PEEK | socket.MSG_DONTWAIT) or self._said
        return self._said

    def _close(self) -> None:
        self._door.close()
        self._log.close()
