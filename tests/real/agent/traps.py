"""Traps: what somebody commits who wants more than a build."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.real.repository import Repository

HOOK = "#!/bin/sh\ntouch {ran}\n"


@dataclass
class Trap:
    """A repository, another one, and what must stay as it is."""

    repository: Repository
    other: Repository
    ran: Path  # is made by whatever must not run
    outside: Path  # an empty folder, not in the workspace

    def submodule(self, settings: str, path: str = "lib") -> None:
        """Commit a `.gitmodules`, and a link to a commit of the other repository at `path`."""
        (self.repository.path / ".gitmodules").write_bytes(settings.encode())
        head = self.other.git("rev-parse", "HEAD")
        self.repository.git("add", ".gitmodules")
        self.repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
        self.repository.git("commit", "--quiet", "--message", "Trap")

    def tree(self, *entries: tuple[str, bytes, str]) -> None:
        """Commit a tree with entries that git itself would not make: mode, name, hash."""
        raw = b"".join(
            mode.encode() + b" " + name + b"\0" + bytes.fromhex(hash)
            for mode, name, hash in entries
        )
        words = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
        done = subprocess.run(
            words, cwd=self.repository.path, input=raw, capture_output=True, check=True
        )
        commit = self.repository.git("commit-tree", "-m", "Trap", done.stdout.decode().strip())
        self.repository.git("update-ref", "refs/heads/main", commit)

    def object(self, *words: str) -> str:
        """The hash of a file's or a folder's object in the repository."""
        return self.repository.git("rev-parse", *words)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing ran, and nothing was written where it must not."""
        return not self.ran.exists() and os.listdir(self.outside) == []  # noqa: PTH208 - names


def make_trap(folder: Path, repository: Repository) -> Trap:
    """Make one; the other repository has a hook of its own among its files."""
    outside, ran = folder / "outside", folder / "ran"
    outside.mkdir()
    other = Repository(folder / "repositories" / "other")
    other.commit({"post-checkout": HOOK.format(ran=ran), "key": "stolen\n"})
    repository.commit({"hooks/post-checkout": HOOK.format(ran=ran)})
    return Trap(repository, other, ran, outside)
