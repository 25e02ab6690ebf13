"""What the web asks of the server: the part of `ci.server.core.Server` that pages and API use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, cast

from quart import current_app

from ci.config import ServerConfig
from ci.model import Build, Status
from ci.people import Asker
from ci.server.people.people import People
from ci.server.vault import Vault
from ci.server.views import (
    AgentUse,
    AgentView,
    BuildFilter,
    BuildPage,
    BuildView,
    Counts,
    Headline,
    Health,
    Judgement,
    LogHits,
    LogView,
    Neighbours,
    WhyRed,
)

EXTENSION = "core"  # where an app keeps its core


class Core(Protocol):
    """Everything the web may ask; the server says what each answer means."""

    @property
    def config(self) -> ServerConfig:
        """The settings."""

    @property
    def repositories(self) -> Mapping[str, str]:
        """Name to URL, the default one first."""

    @property
    def people(self) -> People:
        """Who may ask what."""

    @property
    def vault(self) -> Vault:
        """The secrets of builds."""

    def version(self, number: int | None = None, *, at_once: bool = False) -> str:
        """Say a word that changes soon after anything but log bytes may have changed, or at once.

        With a number, at once after anything about that build, whether there is one or not.
        """

    def trouble(self) -> str | None:
        """Say in a sentence what keeps builds from being taken or kept now, or None."""

    def now(self) -> datetime:
        """Say what time it is, in UTC."""

    async def submit(
        self,
        *,
        repository: str | None,
        commit: str,
        command: str,
        priority: int = 0,
        labels: Collection[str] = (),
        by: Asker | None = None,
    ) -> Build:
        """Take a new build. Raises Rejected, Busy."""

    async def judge(
        self, *, repository: str | None = None, command: str | None = None
    ) -> tuple[Judgement, ...]:
        """Say the rules of server and agents, and what they make of a command. Raises Rejected."""

    async def cancel(self, number: int, by: Asker | None = None) -> Build:
        """End a build now. Raises NotFound, Conflict."""

    async def move_to_front(self, number: int, by: Asker | None = None) -> Build:
        """Let a build that waits be the next one. Raises NotFound, Conflict."""

    async def rerun(self, number: int, by: Asker | None = None, *, exact: bool = False) -> Build:
        """Take a new build that asks for the same. Raises NotFound, Rejected, Busy."""

    async def build(self, number: int) -> BuildView:
        """Say all about a build. Raises NotFound."""

    async def builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first."""

    async def views(self, builds: Sequence[Build]) -> tuple[BuildView, ...]:
        """Say all about each of some builds."""

    async def view_of_new(self, build: Build) -> BuildView:
        """Say all about a build that was accepted just now."""

    async def neighbours(self, build: Build) -> Neighbours:
        """Say where one goes from a build."""

    async def typical_s(self, build: Build) -> float | None:
        """Say how many seconds builds of that repository and command take; None if unknown."""

    async def results(self, wanted: BuildFilter, limit: int) -> tuple[Build, ...]:
        """Say how the last builds ended, newest first; nothing if that would have to be sought."""

    async def counts(self, repository: str | None = None) -> dict[Status, int]:
        """Say how many builds there are of each status, or of one repository."""

    async def count(self, wanted: BuildFilter) -> Counts:
        """Say how many builds there are of each status that fit, as far as that is cheap."""

    async def log(self, number: int, attempt: str | None = None) -> LogView:
        """Say how long a log is; without an attempt, the latest one's. Raises NotFound."""

    async def wait_log(self, number: int, seen: LogView) -> LogView:
        """Wait until a build's latest log is not `seen` any more, or for a while in vain."""

    def is_stopping(self) -> bool:
        """Say whether the server is about to end."""

    def log_size(self, attempt: str) -> int:
        """Say how long the log of an attempt is now."""

    async def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        """Read bytes of a log."""

    async def log_lines_before(self, attempt: str, offset: int) -> int:
        """Count line ends in the first `offset` bytes."""

    async def log_line_begin(self, attempt: str, line: int) -> int | None:
        """Find the offset at which a line begins; None when there is none (yet)."""

    async def log_times(self, attempt: str) -> Sequence[tuple[int, int]]:
        """Say when bytes of a log came: offsets, and milliseconds since the attempt began."""

    async def find_after(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Find lines behind `line`: up to `most` that have `text`, or that look like an error."""

    async def find_before(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Find up to `most` such lines right before `line`."""

    async def first_error(self, attempt: str) -> LogHits:
        """Find the first line that looks like an error, of a log that has ended."""

    async def compared_with(self, view: BuildView) -> WhyRed:
        """Say which green build one that went wrong can be compared with, if any."""

    async def headline(self, why: WhyRed) -> Headline | None:
        """Find the line that says most of what the green build did not print; None of long logs."""

    async def why_red(self, number: int) -> WhyRed:
        """Say what a build that went wrong printed that the last green one like it did not."""

    async def why_red_so_far(self, number: int, *, is_shown: bool) -> WhyRed:
        """Say the same for a page, at once or after a moment: without news until it is found."""

    async def agents(self) -> tuple[AgentView, ...]:
        """List the agents."""

    async def use(self, agents: Sequence[AgentView]) -> dict[str, AgentUse]:
        """Say by name how busy agents were in the last 24 hours."""

    async def set_paused(
        self, name: str, paused: bool, note: str = "", by: Asker | None = None
    ) -> None:
        """Give an agent no more work, and note why, or again. Raises NotFound, Rejected."""

    async def forget_agent(self, name: str, by: Asker | None = None) -> None:
        """Leave a lost agent out of the list. Raises NotFound, Conflict."""

    async def revoke_agent(self, name: str, by: Asker | None = None) -> None:
        """Take nothing more from an agent. Raises NotFound."""

    async def readmit_agent(self, name: str, by: Asker | None = None) -> None:
        """Let whoever has the token enrol under this name. Raises NotFound."""

    async def health(self) -> Health:
        """Say whether builds can be taken and run."""

    async def metrics(self) -> bytes:
        """Return all metrics as Prometheus reads them."""


def the_core() -> Core:
    """Return the core of the app that serves the present request."""
    return cast(Core, current_app.extensions[EXTENSION])
