"""The desk: how a server is asked for a build, and how one sees what it shows of it.

The contract between server and agent does not say that. Ours is asked by its API; any other by a
command that is given, or by the person at the keyboard.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from ci.conformance.calls import Peer
from ci.conformance.probe import Broken, CanNotTell
from ci.errors import ConfigError

ASK_S: Final = 600.0  # for a person who has to press a button
ANSWER_S: Final = 30.0  # for the first answer, by which ours is told from others
LOOK_S: Final = 10.0  # for what a server has answered to be shown
POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all builds ask for; the stand-in runs nothing, so nearly anything will do."""

    commit: str
    command: str


class Desk(Protocol):
    """Where builds are asked for."""

    patience_s: float  # beside that of the probe: for a person
    sure: Wanted | None  # what each build surely asks for; None where others choose that

    async def submit(self) -> str:
        """Ask for a build and return its number, "" if it is not told. Raises Broken."""

    async def status(self, number: str, /) -> str:
        """Return the status that is shown of a build. Raises CanNotTell."""

    async def log(self, number: str, /) -> bytes:
        """Return its log. Raises CanNotTell."""

    async def cancel(self, number: str, /) -> None:
        """Cancel it. Raises CanNotTell."""


class ApiDesk:
    """The JSON API of this project's server."""

    patience_s = 0.0
    sure: Wanted | None

    def __init__(self, server: Peer, wanted: Wanted) -> None:
        self._server = server
        self._wanted = self.sure = wanted

    async def submit(self) -> str:
        """Ask for a build; see `Desk`."""
        wanted = {"commit": self._wanted.commit, "command": self._wanted.command}
        answer = await self._server.post("/api/builds", wanted)
        if not answer.is_good:
            raise Broken(f"POST /api/builds was answered {answer.status}: {answer.text[:200]}")
        return str(answer.json["number"])

    async def status(self, number: str) -> str:
        """Return the status that is shown; see `Desk`."""
        answer = await self._server.get(f"/api/builds/{number}")
        if not answer.is_good:
            raise Broken(f"the build {number} is shown as {answer.status}: {answer.text[:200]}")
        return str(answer.json["status"])

    async def log(self, number: str) -> bytes:
        """Return the log; see `Desk`."""
        return (await self._server.get(f"/api/builds/{number}/log")).body

    async def cancel(self, number: str) -> None:
        """Cancel it; see `Desk`."""
        answer = await self._server.post(f"/api/builds/{number}/cancel", {})
        if not answer.is_good:
            raise Broken(f"the cancel was answered {answer.status}: {answer.text[:200]}")


class _Blind:
    """A desk that shows nothing, and where nobody knows what a build asks for in the end."""

    sure: Wanted | None = None

    async def status(self, _number: str) -> str:
        raise CanNotTell("what it shows of a build can be seen only by its pages")

    async def log(self, _number: str) -> bytes:
        raise CanNotTell("what it shows of a build can be seen only by its pages")

    async def cancel(self, _number: str) -> None:
        raise CanNotTell("how it is asked to cancel is not known here")


class CommandDesk(_Blind):
    """A command that asks for a build; it may print the build's number."""

    patience_s = 0.0

    def __init__(self, command: str, wanted: Wanted) -> None:
        self._command = command
        self._variables = {"COMMIT": wanted.commit, "COMMAND": wanted.command}

    async def submit(self) -> str:
        """Ask for a build; see `Desk`."""
        done = await trio.run_process(
            ["sh", "-c", self._command],
            env=os.environ | self._variables,
            capture_stdout=True,
            check=False,
        )
        if done.returncode != 0:
            raise ConfigError(
                f"--submit-command: ended with exit code {done.returncode}; "
                "it must ask the server for a build and then end with 0"
            )
        words = done.stdout.decode(errors="replace").split()
        return words[0] if words and words[0].isdecimal() else ""


class HandDesk(_Blind):
    """A person, who is asked on the screen."""

    patience_s = ASK_S

    async def submit(self) -> str:
        """Ask for a build; see `Desk`."""
        sys.stderr.write("→ Please ask the server for one more build, of any commit.\n")
        return ""


async def find_desk(server: Peer, wanted: Wanted, command: str | None) -> Desk:
    """Choose the way to ask for builds. Raises ConfigError when there is none."""
    if command is not None:
        return CommandDesk(command, wanted)
    answer = None
    with trio.move_on_after(ANSWER_S):
        answer = await server.get("/api/builds")
    if answer is None:
        raise ConfigError(f"{server.url}: has not answered GET /api/builds within {ANSWER_S:g} s")
    if answer.is_good and isinstance(answer.json, dict) and "builds" in answer.json:
        return ApiDesk(server, wanted)
    if not sys.stdin.isatty():
        raise ConfigError(
            f"--submit-command: {server.url} has no API that is known here, and nobody is at the "
            "keyboard; give a command that asks it for a build, such as 'curl -d … …'"
        )
    return HandDesk()
