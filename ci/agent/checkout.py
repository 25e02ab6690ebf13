"""A clean workspace with the wanted commit, made in two git processes when the commit is known.

A mirror of each repository is kept; the workspace's `.git` is written by hand and borrows the
mirror's objects, so nothing is copied but the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
import trio

from ci import blocking
from ci.agent.bare import BRANCHES, TAGS, note_use, read_refs
from ci.agent.git import REMOTE_SILENCE_S, Git, GitFailed, GitInterrupted, lfs_settings
from ci.agent.mirror import Mirror
from ci.agent.mirrors import Mirrors
from ci.agent.removal import remove_tree
from ci.agent.room import is_no_space
from ci.agent.submodules import make_submodules
from ci.errors import CheckoutFailed
from ci.model import CommitInfo
from ci.repository import is_local, local_path, repository_problem, split_login
from ci.repositoryrules import ANYWHERE, RepositoryPolicy

TRIES: Final = 3  # of a checkout in which git is killed, or finds no memory
_HIDDEN: Final = "is in this agent's own folder, where the copies of other repositories are"
TRY_PAUSE_S: Final = 1.0  # whoever took the memory has it no longer, if only he was killed as well

_LFS_FAILED: Final = re.compile(r"smudge filter lfs failed|Smudge error")  # git's words, git-lfs'

T = TypeVar("T")
Rules = tuple[str, ...]  # for branches, see `ci/secretrules.py`

log = structlog.get_logger()

_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
[gc]
\tauto = 0
[lfs]
\tstorage = {lfs}
"""


class Checkout(Protocol):
    """Brings the files of a commit into a folder."""

    async def make(self, repository: str, commit: str, workspace: Path, cookie: str) -> CommitInfo:
        """Make `workspace`, an absolute path, and say what was found. Raises CheckoutFailed.

        All processes carry `cookie`. Cancellation: they are killed; the workspace stays in part.
        """

    async def find_branches(
        self,
        repository: str,
        commit_hash: str,
        asked: Collection[Rules],
        workspace: Path,
        cookie: str,
    ) -> set[Rules]:
        """Return which of `asked`, each some rules, mean a branch that has this commit now.

        The repository is asked, the commit is in its mirror. Raises CheckoutFailed.
        """

    async def tidy(self, work: Path, unused_s: float) -> None:
        """Maintain what is kept between builds; remove what was not used for `unused_s` seconds.

        `work` is the folder of all workspaces: what these borrow from stays. Raises OSError.
        """

    async def give_room(self, work: Path) -> bool:
        """Remove the one thing kept that was not used for longest; whether there was one."""


class GitCheckout:
    """Checks out with the git of this machine; `mirrors` is a folder.

    A remote over HTTP from which nothing comes for `remote_silence_s` seconds is given up.
    Submodules come from where `rules` allow it, and nothing comes from within `hidden`, the agent's
    own folder, where other repositories' copies are.
    """

    def __init__(
        self,
        mirrors: Path,
        remote_silence_s: int = REMOTE_SILENCE_S,
        rules: RepositoryPolicy = ANYWHERE,
        hidden: Path | None = None,
    ) -> None:
        self._mirrors = Mirrors(mirrors)
        self._remote_silence_s = remote_silence_s
        self._rules = rules
        self._hidden = None if hidden is None else hidden.resolve()

    async def make(self, repository: str, commit: str, workspace: Path, cookie: str) -> CommitInfo:
        """Make the workspace from the repository's mirror."""
        git, url = self._git(repository, cookie)
        # Of a commit that is known, nothing comes from there any more.
        is_known = self._mirrors.of(url).knows(commit)
        if is_local(url) and not is_known and await blocking.run(self._is_hidden, url):
            raise CheckoutFailed(f"the repository {_HIDDEN}")
        return await _persist(partial(self._make_once, git, url, commit, workspace), workspace)

    async def find_branches(
        self,
        repository: str,
        commit_hash: str,
        asked: Collection[Rules],
        workspace: Path,
        cookie: str,
    ) -> set[Rules]:
        """Fetch all branches, then compare."""
        git, url = self._git(repository, cookie)
        mirror = self._mirrors.of(url)

        async def find() -> set[Rules]:
            await mirror.refresh(git)
            return {rules for rules in asked if await mirror.has_on(git, commit_hash, rules)}

        with mirror.in_use(workspace):
            return await _persist(find, workspace)

    async def tidy(self, work: Path, unused_s: float) -> None:
        """Repack mirrors, remove those that are not used, and what is left of removed ones."""
        await self._mirrors.tidy(work, unused_s)

    async def give_room(self, work: Path) -> bool:
        """Remove the mirror that was not used for longest."""
        return await self._mirrors.give_room(work)

    def _git(self, repository: str, cookie: str) -> tuple[Git, str]:
        """Return what runs git for an attempt, and its repository's URL. Raises CheckoutFailed."""
        if problem := repository_problem(repository):
            raise CheckoutFailed(f"the repository {problem}")
        url, login = split_login(_absolute(repository))
        git = Git(
            cookie,
            local=is_local(url),
            remote_silence_s=self._remote_silence_s,
            login=login,
        )
        return git, url

    async def _make_once(self, git: Git, url: str, commit: str, workspace: Path) -> CommitInfo:
        mirror = self._mirrors.of(url)
        with mirror.in_use(workspace) as version:
            try:
                found = await self._make(git, mirror, url, commit, workspace)
            except GitFailed as error:
                # Neither a full disk nor a file that LFS did not bring is the mirror's fault.
                if is_no_space(error) or _LFS_FAILED.search(str(error)):
                    raise
                if not await mirror.renew(git, version, workspace.parent):
                    raise
            if mirror.version != version:
                found = await self._make(git, mirror, url, commit, workspace)
        await make_submodules(git, workspace, self._problem)
        return found

    def _problem(self, url: str) -> str | None:
        """Say why a submodule must not come from there. Blocks."""
        return f"its address {_HIDDEN}" if self._is_hidden(url) else self._rules.problem(url)

    def _is_hidden(self, url: str) -> bool:
        path = local_path(url)
        return path is not None and self._hidden is not None and path.is_relative_to(self._hidden)

    async def _make(
        self, git: Git, mirror: Mirror, url: str, commit: str, workspace: Path
    ) -> CommitInfo:
        found = await mirror.find(git, commit)
        await blocking.run(_write_workspace, workspace, mirror, url, found)
        await git.must(
            f"check out {found.commit_hash}",
            *("-C", str(workspace), "checkout", "--quiet", "--force", "--detach"),
            found.commit_hash,
        )
        return found


async def _persist(work: Callable[[], Awaitable[T]], workspace: Path) -> T:
    """Do `work` again when git was killed in it, or found no memory."""
    for tries_left in reversed(range(TRIES)):
        try:
            return await work()
        except GitInterrupted as error:
            if not tries_left:
                raise
            log.warning("git interrupted", workspace=workspace.name, error=str(error))
            await trio.sleep(TRY_PAUSE_S)
    raise AssertionError("the last try returns or raises")


def _absolute(repository: str) -> str:
    if is_local(repository) and "://" not in repository:
        return str(Path(repository).absolute())
    return repository


def _write_workspace(workspace: Path, mirror: Mirror, url: str, commit: CommitInfo) -> None:
    """Write what `git clone` would, except that no object is copied and no file is there yet."""
    note_use(mirror.path)
    remove_tree(workspace)
    git = workspace / ".git"
    (git / "objects" / "info").mkdir(parents=True)
    (git / "refs").mkdir()
    (git / "objects" / "info" / "alternates").write_text(f"{mirror.path}/objects\n")
    (git / "HEAD").write_text(commit.commit_hash + "\n")
    config = _CONFIG.format(url=_quoted(url), lfs=_quoted(f"{mirror.path}/lfs"))
    if filters := lfs_settings():  # or the build's git would take each such file for a changed one
        config += '[filter "lfs"]\n'
        config += "".join(f"\t{name} = {value}\n" for name, value in filters.items())
    (git / "config").write_text(config, encoding="utf-8")
    refs = read_refs(mirror.path)
    seen = {
        "refs/remotes/origin/" + name.removeprefix(BRANCHES): hash
        for name, hash in refs.items()
        if name.startswith(BRANCHES)
    } | {name: hash for name, hash in refs.items() if name.startswith(TAGS)}
    packed = "".join(f"{hash} {name}\n" for name, hash in sorted(seen.items()))
    (git / "packed-refs").write_text(packed, encoding="utf-8", errors="surrogateescape")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
