"""What an attempt was lent: the secrets of its build, from the request to the command's end.

Its server sends those of the build's repository, each with rules for branches. Which of them the
command gets is decided here, where the repository is at hand, before it starts: only those for a
branch that the very commit which was checked out is on, as the repository has it at that moment.
The others are forgotten at once, all of them at the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.maskedlog import MaskedLog
from ci.agent.masking import Masks
from ci.agent.secretfile import keep_secrets, read_secrets
from ci.agent.spool import Folder, Ticket
from ci.agent.tools import Tools
from ci.model import CommitInfo, Outcome
from ci.wire.job import JobSecret

FOLLOW_S: Final = 0.1  # as often as the log is looked at to send it
FOLLOW_LIMIT_S: Final = 1.0  # then others are heard, such as who cancels it

log = structlog.get_logger()


class Lent:
    """The secrets of one attempt; there may be none, which costs nothing."""

    def __init__(self, ticket: Ticket, folder: Folder, tools: Tools) -> None:
        self.note = ""  # which it has, and why not others: for people
        self._id = ticket.job.id
        self._repository = ticket.job.repository
        self._cookie = ticket.cookie
        self._folder = folder
        self._tools = tools
        self._secrets: tuple[JobSecret, ...] = ()
        self._masks: Masks | None = None
        self._have(ticket.job.secrets)

    @property
    def environment(self) -> dict[str, str]:
        """What the command gets of them."""
        return {one.name: one.value.get_secret_value() for one in self._secrets}

    async def remember(self) -> None:
        """Learn from the disk which there are. Raises OSError."""
        self.note = await blocking.run(self._folder.secrets_note)
        self._have(await blocking.run(read_secrets, self._folder.secrets))

    async def prove(self, commit_hash: str, workspace: Path) -> None:
        """Keep those that a build of this commit may have. Raises CheckoutFailed, OSError."""
        if not self._secrets:
            return
        asked = {one.branches for one in self._secrets}
        on = await self._tools.checkout.find_branches(
            self._repository, commit_hash, asked, workspace, self._cookie
        )
        given, withheld = [], []
        for one in self._secrets:
            problem = self._tools.admission.variable_problem(one.name)
            if problem is None and one.branches not in on:
                problem = f"the commit is not on {' or '.join(one.branches)}"
            if problem is None:
                given.append(one)
            else:
                withheld.append(f"It did not have {one.name}: {problem}.")
        await blocking.run(keep_secrets, self._folder.secrets, given)
        self._have(tuple(given))
        names = ", ".join(one.name for one in given)
        self.note = " ".join([f"It had {names}."] * bool(given) + withheld)
        log.info("secrets judged", attempt=self._id, given=len(given), withheld=len(withheld))

    async def serve_masking(self) -> None:
        """Bring what the command prints into the log, again and again; never returns."""
        said = False
        while self._masks is not None:
            try:
                await blocking.run(partial(self._masked_log.advance, limit_s=FOLLOW_LIMIT_S))
                said = False
            except OSError as error:  # as long as the disk is full, the log waits
                if not said:
                    log.warning("output not masked", attempt=self._id, error=str(error))
                said = True
            await trio.sleep(FOLLOW_S)

    async def forget(
        self, insist: Callable[[Callable[[], Awaitable[bool]]], Awaitable[bool]]
    ) -> str:
        """Bring the rest into the log and leave no secret on the disk. Raises OSError.

        The command is over. `insist` does what is given to it until the machine is not short.
        Returns in words what is missing, if anything is.
        """
        if self._masks is None:
            return ""
        try:
            is_whole = await insist(partial(blocking.run, self._masked_log.finish))
        except OSError as error:
            log.error("output not masked to its end", attempt=self._id, error=str(error))
            await blocking.run(self._masked_log.discard)
            raise
        if is_whole:
            return ""
        log.error("output not masked to its end", attempt=self._id, error="there is too much of it")
        return "The end of its output is left out: there was too much of it to mask."

    def mask_text(self, text: str) -> str:
        """Mask what is told of the attempt beside its log."""
        return text if self._masks is None else self._masks.whole(text)

    def mask_commit(self, commit: CommitInfo) -> CommitInfo:
        """Mask what people have written into a commit."""
        return replace(
            commit, subject=self.mask_text(commit.subject), author=self.mask_text(commit.author)
        )

    def mask_outcome(self, outcome: Outcome) -> Outcome:
        """Mask how it ended."""
        return replace(outcome, message=self.mask_text(outcome.message), secrets=self.note)

    def _have(self, secrets: tuple[JobSecret, ...]) -> None:
        self._secrets = secrets
        if not secrets:
            self._masks = None
            return
        self._masks = Masks(one.value.get_secret_value() for one in secrets)
        self._masked_log = MaskedLog(self._folder, self._masks)
