"""A checkout without git: every commit is there, but those that a test takes away."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from ci import blocking
from ci.errors import CheckoutFailed
from ci.model import CommitInfo
from ci.secretrules import is_on


@dataclass
class FakeCheckout:
    """Makes an empty folder, or says what `problem` there is.

    `takes_s`: how long that takes; `missing`: the commits that can't be found.
    """

    takes_s: float = 0.0
    missing: set[str] = field(default_factory=set)
    problem: str = ""
    short: int = 0  # how often it finds no file to open
    spare_mirrors: list[Callable[[], None]] = field(default_factory=list)  # what removes each
    branches: set[str] = field(default_factory=lambda: {"main"})  # that every commit is on
    made: list[tuple[str, str]] = field(default_factory=list)

    async def make(
        self,
        repository: str,
        commit: str,
        workspace: Path,
        cookie: str,  # noqa: ARG002 - there are no processes to mark
    ) -> CommitInfo:
        """Say what a checkout would find."""
        await trio.sleep(self.takes_s)
        if self.short:
            self.short -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if commit in self.missing:
            raise CheckoutFailed(f"no branch, tag or commit {commit} in {repository}")
        if self.problem:
            raise CheckoutFailed(self.problem)
        await blocking.run(partial(os.makedirs, workspace, exist_ok=True))
        self.made.append((repository, commit))
        return CommitInfo(hash_of(commit), f"Subject of {commit}", "Ada", commit)

    async def find_branches(
        self,
        repository: str,
        commit_hash: str,
        asked: Collection[tuple[str, ...]],
        workspace: Path,  # noqa: ARG002 - there are no files
        cookie: str,  # noqa: ARG002 - as above
    ) -> set[tuple[str, ...]]:
        """Compare with the branches that a test has put the commit on."""
        await trio.lowlevel.checkpoint()
        if self.problem:
            raise CheckoutFailed(self.problem)
        assert (repository, commit_hash) in {(one, hash_of(two)) for one, two in self.made}
        return {rules for rules in asked if any(is_on(name, rules) for name in self.branches)}

    async def tidy(self, work: Path, unused_s: float) -> None:  # noqa: ARG002 - it keeps nothing
        """Find nothing to tidy."""
        await trio.lowlevel.checkpoint()

    async def give_room(self, work: Path) -> bool:  # noqa: ARG002 - it keeps nothing
        """Give what a test has put into `spare_mirrors`, one each time."""
        await trio.lowlevel.checkpoint()
        if self.spare_mirrors:
            self.spare_mirrors.pop()()
            return True
        return False


def hash_of(commit: str) -> str:
    """The full hash that belongs to `commit` here."""
    return hashlib.sha1(commit.encode()).hexdigest()
