"""The command `ci` as a person or a script has it: in a pipe, or at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.real.harness import START_S, Site, wait_until

WIDTH: Final = "100"  # of the terminal
_READ_BYTES: Final = 65536


def words_of(command: Sequence[str]) -> list[str]:
    """Return what starts `ci` here, whether it is installed or not."""
    return [sys.executable, "-m", "ci.cli", *command]


@dataclass
class Done:
    """What a command that has ended has written, and its exit code."""

    code: int
    out: str
    err: str


class Cli:
    """`ci` in a folder."""

    def __init__(self, site: Site, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.environment = site.environment | {"COLUMNS": WIDTH, "TERM": "xterm"} | variables

    def __call__(self, *command: str, said: str = "") -> Done:
        """Run it to its end in pipes; `said` is its standard input."""
        done = subprocess.run(
            words_of(command),
            cwd=self.folder,
            env=self.environment,
            input=said.encode(),
            capture_output=True,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def open(self, *command: str) -> Terminal:
        """Start it at a terminal."""
        return Terminal(self, command)


class Terminal:
    """`ci` at a terminal of its own, as the leader of a session."""

    def __init__(self, cli: Cli, command: Sequence[str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words_of(command),
            cwd=cli.folder,
            env=cli.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.shown = ""

    def look(self) -> str:
        """Return all that it has shown so far."""
        try:
            while data := os.read(self._ours, _READ_BYTES):
                self.shown += data.decode(errors="replace")
        except OSError:
            pass  # nothing new, or it has ended: its terminal is gone then
        return self.shown

    def wait_shown(self, text: str) -> None:
        """Wait until it has shown that."""
        wait_until(self.look, f"{text!r} on the terminal", until=lambda shown: text in shown)

    def hang_up(self) -> None:
        """Close it, as one closes a window."""
        os.close(self._ours)

    def wait_end(self) -> int:
        """Wait for its end and return the exit code; a terminal that nobody reads gets full."""
        wait_until(lambda: self.look() is not None and self.process.poll() is not None, "its end")
        self.look()
        os.close(self._ours)
        return self.process.wait(START_S)
