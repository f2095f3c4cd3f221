"""One host process of a trainer (docs/trainer-protocol.md, `COMMAND host`), and our end of its door.

The surprise: a request can be handed in while the host still imports, and a program that is no host at all is
only known by its ending: whatever was handed in to it reads as a connection that ended.
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
    """Raises OSError where the program cannot be started."""

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
            theirs.close()  # so that a dead host reads as the end of the door

    def ask(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket | None:
        """Hand in a request and its descriptors: the connection that its trial is told of on, or None."""
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
        """Whether the program has said that it is a host."""
        return self._all_it_said().startswith(GREETING)

    def is_ready(self) -> bool:
        """Whether its imports are over, so that it may have begun what it was asked for."""
        return self._all_it_said().startswith(READY)

    def end(self) -> str:
        """End the process, not the trials it began: the last line it left on stderr."""
        self._process.kill()
        self._process.wait()
        self._all_it_said()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        self._close()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _all_it_said(self) -> bytes:
        with suppress(OSError):  # nothing yet, or closed: then what was heard before stands
            self._said = self._door.recv(len(READY), socket.MSG_PEEK | socket.MSG_DONTWAIT) or self._said
        return self._said

    def _close(self) -> None:
        self._door.close()
        self._log.close()
