"""A bare copy of one repository, kept between builds, that workspaces borrow objects from."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import trio

from ci import blocking
from ci.agent.git import Git
from ci.agent.spool import remove_tree
from ci.errors import CheckoutFailed
from ci.model import CommitInfo
from ci.repository import shown_url

BRANCHES: Final = "refs/heads/"
TAGS: Final = "refs/tags/"

MAX_LOOSE_REFS: Final = 50  # more than this are packed: a file for each is slow to read
MAX_SHOWN_CHARS: Final = 500  # of a commit's subject and author

_FULL_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_SHORT_HASH: Final = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)
_SURE_HASH: Final = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE)  # git shortens to no less
_FORMAT: Final = "--format=%H%x00%an%x00%s"
_DEFAULT_BRANCH: Final = "HEAD"


class Mirror:
    """The mirror of `url` in `path`. This agent is the only one to change it."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self._url = url
        self._shown_url = shown_url(url)
        self._changing = trio.Lock()

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
            raise CheckoutFailed(f"no branch, tag or commit {commit} in {self._shown_url}")
        return found

    async def refs(self) -> dict[str, str]:
        """Full name → hash of all branches and tags."""
        return await blocking.run(_read_refs, self.path)

    async def _find_known(self, git: Git, commit: str) -> CommitInfo | None:
        if not (self.path / "HEAD").exists():
            return None
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
            await git.ask(*self._fetching(), self._url, commit)
            return await self._show(git, commit)
        if commit == _DEFAULT_BRANCH:
            commit = await self._default_branch(git)
        refs = await self.refs()
        for name in (BRANCHES + commit, TAGS + commit, commit):
            if name in refs:
                branch = name.removeprefix(BRANCHES) if name.startswith(BRANCHES) else ""
                return await self._show(git, refs[name], branch)
        return await self._show(git, commit) if _SHORT_HASH.fullmatch(commit) else None

    async def _show(self, git: Git, hash: str, branch: str = "") -> CommitInfo | None:
        answer = await git.ask(
            f"--git-dir={self.path}",
            *("show", "-s", "--no-show-signature", "--encoding=UTF-8", _FORMAT),
            *("--end-of-options", hash + "^{commit}"),
        )
        if answer.code != 0:
            return None
        full, author, subject = answer.stdout.decode("utf-8", "replace").rstrip("\n").split("\0", 2)
        return CommitInfo(full, subject[:MAX_SHOWN_CHARS], author[:MAX_SHOWN_CHARS], branch)

    async def _fetch(self, git: Git) -> None:
        """Bring all branches and tags, and forget those that are gone."""
        if await blocking.run(_is_new, self.path):
            await blocking.run(remove_tree, self.path)
            await git.must(
                "make its copy of the repository",
                *("init", "--quiet", "--bare", "--template=", "--end-of-options", str(self.path)),
            )
        await blocking.run(_remove_leftovers, self.path)
        await git.must(
            f"fetch {self._shown_url}",
            *self._fetching("--prune"),
            self._url,
            *(f"+{BRANCHES}*:{BRANCHES}*", f"+{TAGS}*:{TAGS}*"),
        )
        if await blocking.run(_count_loose, self.path) > MAX_LOOSE_REFS:
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
            f"ask {self._shown_url} for its default branch",
            *("ls-remote", "--symref", "--end-of-options", self._url, "HEAD"),
        )
        words = answer.decode("utf-8", "replace").split()
        if words[:1] == ["ref:"]:
            return words[1].removeprefix(BRANCHES)
        return words[0] if words else _DEFAULT_BRANCH


def mirror_name(url: str) -> str:
    """Name the folder of a mirror: readable, and different for different URLs."""
    readable = re.sub(r"[^0-9A-Za-z]+", "-", shown_url(url).removesuffix(".git"))
    return f"{readable.strip('-')[-60:]}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.git"


def _is_new(mirror: Path) -> bool:
    """Whether git has yet to make the mirror, or was killed while it did."""
    try:
        whole = all((mirror / name).stat().st_size > 0 for name in ("HEAD", "config"))
    except FileNotFoundError:
        return True
    return not whole or not all((mirror / name).is_dir() for name in ("objects", "refs"))


def _remove_leftovers(mirror: Path) -> None:
    """Remove what a killed git left: locks that nobody holds, and packs that arrived in part."""
    for lock in mirror.glob("*.lock"):
        lock.unlink()
    for lock in (mirror / "refs").rglob("*.lock"):
        lock.unlink()
    for part in (mirror / "objects" / "pack").glob("tmp_*"):
        part.unlink()


def _loose_refs(mirror: Path) -> list[Path]:
    roots = (mirror / "refs" / "heads", mirror / "refs" / "tags")
    return [path for root in roots for path in root.rglob("*") if path.is_file()]


def _count_loose(mirror: Path) -> int:
    return len(_loose_refs(mirror))


def _read_refs(mirror: Path) -> dict[str, str]:
    found = {}
    try:
        packed = (mirror / "packed-refs").read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        packed = ""
    for line in packed.split("\n"):
        hash, _, name = line.partition(" ")
        if name.startswith((BRANCHES, TAGS)):  # others are comments and what a tag points to
            found[name] = hash
    for path in _loose_refs(mirror):
        name = str(path.relative_to(mirror))
        try:
            found[name] = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            continue  # packed or removed by a fetch just now
    return found
