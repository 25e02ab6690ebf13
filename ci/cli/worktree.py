"""The git work tree that one stands in: what `ci run` builds when nothing else is said."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci.repository import split_login

_UNKNOWN: Final = "?? "  # so git begins a line of its status
_NAMED: Final = 3  # of what it does not know; git status has them all


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree: its top folder, where it comes from, and the commit that is checked out."""

    top: Path
    origin: str | None
    commit: str
    changed: int  # files that git knows and that differ from the commit
    unknown: tuple[str, ...]  # files and folders that git does not know, and does not ignore
    is_pushed: bool  # whether a branch of a remote has the commit, as far as is known here

    @property
    def repository(self) -> str:
        """What a server may know it by; no password goes to it."""
        return split_login(self.origin)[0] if self.origin else str(self.top)

    def warnings(self, *, to_server: bool) -> list[str]:
        """Say what is not in the build that one may think is."""
        found = []
        if self.changed:
            files = "1 file is" if self.changed == 1 else f"{self.changed} files are"
            found.append(f"{files} changed and not committed: the build does not have that")
        if self.unknown:
            named = ", ".join(self.unknown[:_NAMED]) + (", …" if len(self.unknown) > _NAMED else "")
            found.append(f"git does not know {named}: the build does not have that; git add")
        if to_server and self.origin and not self.is_pushed:
            found.append(
                f"{self.commit[:10]} is on no branch of a remote, as far as is known here: the "
                "agent may not find it; git push"
            )
        return found


def find_work_tree(folder: Path) -> WorkTree | None:
    """Look at the work tree that `folder` is in; None when it is in none, or has no commit yet."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not top or not commit:
        return None
    lines = (_git(folder, "status", "--porcelain", "--untracked-files=normal") or "").splitlines()
    unknown = tuple(line.removeprefix(_UNKNOWN) for line in lines if line.startswith(_UNKNOWN))
    return WorkTree(
        top=Path(top),
        origin=_git(folder, "remote", "get-url", "origin") or None,
        commit=commit,
        changed=len(lines) - len(unknown),
        unknown=unknown,
        is_pushed=bool(_git(folder, "branch", "--remotes", "--contains", commit)),
    )


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says; None when it says no, or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - git, with words of ours
            ["git", "-C", str(folder), *words],  # noqa: S607 - as the reader's shell finds it
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
