"""A bare copy of one repository, kept between builds, that workspaces borrow objects from."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.bare import (
    BRANCHES,
    TAGS,
    count_loose,
    is_crowded,
    is_new,
    read_refs,
    remove_leftovers,
    remove_small_leftovers,
)
from ci.agent.borrowed import borrowed
from ci.agent.git import Git, GitFailed
from ci.agent.mounts import check_nothing_mounted
from ci.agent.removal import remove_or_leave, remove_tree, set_aside
from ci.errors import CheckoutFailed
from ci.model import CommitInfo
from ci.repository import shown_url
from ci.secretrules import is_on

MAX_LOOSE_REFS: Final = 50  # more than this are packed: a file for each is slow to read
REPACK_LIMIT_S: Final = 900.0  # a checkout that has to fetch waits meanwhile
RENEW_PAUSE_S: Final = 3600.0  # when it is not the mirror, a second copy costs as much as the first
NEW_SUFFIX: Final = ".new"  # of a mirror that is being made to replace another
COOKIE_BYTES: Final = 16
MAX_ARGUMENTS: Final = 1000  # hashes in one call of git: far below what Linux takes
MAX_SHOWN_COMMITS: Final = 1000  # remembered; each saves a process to who builds it again
MAX_SHOWN_CHARS: Final = 500  # of a commit's subject and author

log = structlog.get_logger()

_FULL_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_SHORT_HASH: Final = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)
_SURE_HASH: Final = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE)  # git shortens to no less
_FORMAT: Final = "--format=%H%x00%an%x00%s"
_DEFAULT_BRANCH: Final = "HEAD"


class Mirror:
    """The mirror of `url` in `path`. This agent is the only one to change it."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.url = url
        self._changing = trio.Lock()
        self.making: set[Path] = set()  # workspaces that are made with it now
        self.uses = 0  # so far
        self.version = 0  # another one each time that it is made anew
        self._renewed_at = -math.inf
        self._is_empty = False  # made in this life, and nothing was brought yet
        self._shown: dict[str, CommitInfo] = {}  # by full hash: what git once said, without branch

    @contextmanager
    def in_use(self, workspace: Path) -> Iterator[int]:
        """Keep it from being removed while `workspace` is made with it; give its version.

        When that is another one at the end, the workspace may lack objects, and is made again.
        """
        self.making.add(workspace)
        self.uses += 1
        try:
            yield self.version
        finally:
            self.making.remove(workspace)

    async def renew(self, git: Git, version: int, work: Path) -> bool:
        """Make it anew after git has failed with it; whether it is another one than `version`.

        A killed git or a full disk may leave a mirror with which git fails for ever. Nobody can
        tell that from other failures for sure, so a new one is made beside it, which takes its
        place if git does better with that; but not too often, since it may not be the mirror.

        The new one lacks what the repository has no longer. So the old one stays while a command
        may run in one of the workspaces in `work` that borrow from it.
        """
        async with self._changing:
            self._shown.clear()  # it may not have these any more
            if self.version != version:
                return True
            if self._is_empty or trio.current_time() < self._renewed_at + RENEW_PAUSE_S:
                return False
            if await self._is_borrowed(work):
                return False
            self._renewed_at = trio.current_time()
            fresh = Mirror(self.path.with_name(self.path.name + NEW_SUFFIX), self.url)
            try:
                await fresh._fetch(git)
            except CheckoutFailed as error:
                log.info("mirror not made anew", mirror=self.path.name, error=str(error))
                await blocking.run(remove_or_leave, fresh.path)
                return False
            if await self._is_borrowed(work):
                await blocking.run(remove_or_leave, fresh.path)
                return False
            old = set_aside(self.path)
            fresh.path.rename(self.path)
            self.version += 1
            log.warning("mirror made anew", mirror=self.path.name)
            await blocking.run(remove_or_leave, old)
        return True

    async def maintain(self) -> None:
        """Remove what a killed git left; put packs and loose objects together when they are many.

        No object is ever dropped, however unreachable: a workspace may borrow it. Git itself lets
        others read meanwhile. A mirror that is being changed is left to the next time. Raises
        OSError, also when a build has mounted something over it or into it.
        """
        if self._changing.locked():
            return
        async with self._changing:
            await blocking.run(check_nothing_mounted, self.path)
            await blocking.run(remove_leftovers, self.path)
            await blocking.run(remove_small_leftovers, self.path)
            if not await blocking.run(is_crowded, self.path):
                return
            git = Git(secrets.token_hex(COOKIE_BYTES), local=True)
            words = ("repack", "--quiet", "--geometric=2", "-d")
            try:
                with trio.move_on_after(REPACK_LIMIT_S):
                    answer = await git.ask("repack it", f"--git-dir={self.path}", *words)
                    log.info("mirror repacked", mirror=self.path.name, exit_code=answer.code)
            except CheckoutFailed as error:  # there will be another time
                log.warning("mirror not repacked", mirror=self.path.name, error=str(error))

    async def find(self, git: Git, commit: str) -> CommitInfo:
        """Resolve a hash, branch or tag, fetching what is missing. Raises CheckoutFailed.

        A branch or tag is looked up in the repository each time. What looks like a short hash
        may be a branch or a tag: these come first.
        """
        if _SURE_HASH.fullmatch(commit) and (found := await self._find_known(git, commit)):
            return found
        async with self._changing:
            await self._fetch(git)
            found = await self._find_fetched(git, commit)
        if found is None:
            raise CheckoutFailed(f"no branch, tag or commit {commit} in {shown_url(self.url)}")
        return found

    def knows(self, commit: str) -> bool:
        """Whether it has a commit, by its full hash, so that the repository is not asked."""
        return commit in self._shown

    async def refresh(self, git: Git) -> None:
        """Bring all branches and tags as they are now. Raises CheckoutFailed."""
        async with self._changing:
            await self._fetch(git)

    async def has_on(self, git: Git, commit_hash: str, rules: Collection[str]) -> bool:
        """Whether a commit is on a branch that one of `rules` means. Raises CheckoutFailed."""
        refs = await self.refs()
        heads = [
            head
            for name, head in refs.items()
            if name.startswith(BRANCHES) and is_on(name.removeprefix(BRANCHES), rules)
        ]
        for at in range(0, len(heads), MAX_ARGUMENTS):
            left = await git.must(
                f"look for branches with {commit_hash}",
                *(f"--git-dir={self.path}", "rev-list", "--max-count=1", commit_hash),
                *(f"^{head}" for head in heads[at : at + MAX_ARGUMENTS]),
            )
            if not left.strip():  # there is nothing in it that is not on one of these
                return True
        return False

    async def refs(self) -> dict[str, str]:
        """Full name → hash of all branches and tags."""
        return await blocking.run(read_refs, self.path)

    async def _is_borrowed(self, work: Path) -> bool:
        """Whether a workspace borrows from it that is not just being made."""
        making = set(self.making)
        others = await blocking.run(borrowed, work, making)
        if self.path not in others and making <= self.making:  # else one was made meanwhile
            return False
        log.info("mirror not made anew", mirror=self.path.name, error="a running build needs it")
        return True

    async def _find_known(self, git: Git, commit: str) -> CommitInfo | None:
        if not (self.path / "HEAD").exists():
            return None
        if found := self._shown.get(commit):
            return found
        if not _FULL_HASH.fullmatch(commit):
            refs = await self.refs()
            if BRANCHES + commit in refs or TAGS + commit in refs:
                return None
        return await self._show(git, commit)

    async def _find_fetched(self, git: Git, commit: str) -> CommitInfo | None:
        if _FULL_HASH.fullmatch(commit):
            if found := await self._show(git, commit):
                return found
            # Perhaps a commit that no branch or tag holds any more, or of a pull request.
            purpose = f"fetch {commit} from {shown_url(self.url)}"
            await git.ask(purpose, *self._fetching(), self.url, commit)
            return await self._show(git, commit)
        if commit == _DEFAULT_BRANCH:
            commit = await self._default_branch(git)
        refs = await self.refs()
        for name in (BRANCHES + commit, TAGS + commit, commit):
            if name in refs:
                branch = name.removeprefix(BRANCHES) if name.startswith(BRANCHES) else ""
                if found := await self._show(git, refs[name], branch):
                    return found
                raise GitFailed(f"git could not show {name}, which is no commit or is damaged")
        return await self._show(git, commit) if _SHORT_HASH.fullmatch(commit) else None

    async def _show(self, git: Git, hash: str, branch: str = "") -> CommitInfo | None:
        answer = await git.ask(
            f"look for {hash}",
            f"--git-dir={self.path}",
            *("show", "-s", "--no-show-signature", "--encoding=UTF-8", _FORMAT),
            *("--end-of-options", hash + "^{commit}"),
        )
        if answer.code != 0:
            return None
        full, author, subject = answer.stdout.decode("utf-8", "replace").rstrip("\n").split("\0", 2)
        found = CommitInfo(full, subject[:MAX_SHOWN_CHARS], author[:MAX_SHOWN_CHARS])
        self._shown[full] = found
        if len(self._shown) > MAX_SHOWN_COMMITS:
            del self._shown[next(iter(self._shown))]
        return replace(found, branch=branch)

    async def _fetch(self, git: Git) -> None:
        """Bring all branches and tags, and forget those that are gone."""
        await blocking.run(check_nothing_mounted, self.path)
        if await blocking.run(is_new, self.path):
            self._is_empty = True
            self._shown.clear()
            await blocking.run(remove_tree, self.path)
            await git.must(
                "make its copy of the repository",
                *("init", "--quiet", "--bare", "--template=", "--end-of-options", str(self.path)),
            )
        await blocking.run(remove_leftovers, self.path)
        await git.must(
            f"fetch {shown_url(self.url)}",
            *self._fetching("--prune"),
            self.url,
            *(f"+{BRANCHES}*:{BRANCHES}*", f"+{TAGS}*:{TAGS}*"),
        )
        self._is_empty = False
        if await blocking.run(count_loose, self.path) > MAX_LOOSE_REFS:
            await git.must("pack the refs", f"--git-dir={self.path}", "pack-refs", "--all")

    def _fetching(self, *options: str) -> tuple[str, ...]:
        return (
            f"--git-dir={self.path}",
            *("fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head"),
            *("--no-recurse-submodules", *options, "--end-of-options"),
        )

    async def _default_branch(self, git: Git) -> str:
        """Name the branch that the repository's HEAD points to; its hash when to none."""
        answer = await git.must(
            f"ask {shown_url(self.url)} for its default branch",
            *("ls-remote", "--symref", "--end-of-options", self.url, "HEAD"),
        )
        words = answer.decode("utf-8", "replace").split()
        if words[:1] == ["ref:"]:
            return words[1].removeprefix(BRANCHES)
        return words[0] if words else _DEFAULT_BRANCH


def mirror_name(url: str) -> str:
    """Name the folder of a mirror: readable, and different for different URLs."""
    readable = re.sub(r"[^0-9A-Za-z]+", "-", shown_url(url).removesuffix(".git"))
    return f"{readable.strip('-')[-60:]}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.git"
