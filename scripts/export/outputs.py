"""A script's output: lines on stdout, and files that appear whole or not at all.

It must not know what is exported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile

SIGNALS = [s for s in (getattr(signal, n, None) for n in ("SIGINT", "SIGTERM", "SIGHUP")) if s is not None]


class Protocol:
    """The program's own standard output. What libraries print goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self.total, self._done = 0, 0

    def step(self, message: str) -> None:
        """Says what begins now."""
        self._send({"event": "progress", "message": message, "done": self._done, "total": self.total})
        self._done += 1

    def manifest(self, variants: dict, versions: dict) -> None:
        self._send({"event": "manifest", "variants": variants, "versions": versions})

    def needs_torch(self, why: str) -> None:
        """A manifest without variants: this model needs torch, which is not to be used here."""
        self._send({"event": "manifest", "torch": why})

    def _send(self, event: dict) -> None:
        self._out.write(json.dumps(event, sort_keys=True) + "\n")
        self._out.flush()


class Pending:
    """The outputs under temporary names in their folders, until all are whole."""

    def __init__(self) -> None:
        self._made: list[tuple[str, str]] = []  # temporary name, name

    def write(self, out: str, data: bytes) -> None:
        """Writes the file under a temporary name."""
        folder, name = os.path.split(os.path.abspath(out))
        # Signals are blocked until the name is recorded, so that none can leave the file behind.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if hasattr(signal, "pthread_sigmask") else None
        try:
            fd, temp = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
            self._made.append((temp, os.path.join(folder, name)))
        finally:
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temp, 0o666 & ~umask)  # mkstemp's 0600 is for secrets

    def rename_all(self) -> None:
        """Gives every file its name."""
        folders = {os.path.dirname(out) for _, out in self._made}
        while self._made:
            os.replace(*self._made[0])
            del self._made[0]
        for folder in folders:
            try:
                fd = os.open(folder, os.O_RDONLY)
            except OSError:  # Windows has no folders to flush
                return
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def remove_all(self) -> None:
        for temp, _ in self._made:
            try:
                os.unlink(temp)
            except OSError:
                pass
