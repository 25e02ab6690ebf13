"""A small git repository for the jobs of the kit: two commits, told apart by one file."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci.errors import ConfigError

FILE: Final = "which.txt"
BRANCH: Final = "main"
_WHO: Final = {
    "GIT_AUTHOR_NAME": "Conformance",
    "GIT_AUTHOR_EMAIL": "conformance@example.org",
    "GIT_COMMITTER_NAME": "Conformance",
    "GIT_COMMITTER_EMAIL": "conformance@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True, slots=True)
class Repository:
    """What jobs are given. `older` is a hash whose `FILE` says "older", "" if there is none."""

    url: str
    commit: str
    older: str = ""


def make_repository(folder: Path) -> Repository:
    """Make one in `folder`. Blocks. Raises ConfigError when git is missing."""
    folder.mkdir()
    try:
        _git(folder, "init", "--quiet", "--template=")
        _git(folder, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        for words in ("older", "newer"):
            (folder / FILE).write_text(f"{words}\n", encoding="ascii")
            _git(folder, "add", FILE)
            _git(folder, "commit", "--quiet", "--message", words)
        older = _git(folder, "rev-parse", f"{BRANCH}~1")
    except FileNotFoundError as error:
        raise ConfigError("git is missing; install it, or give --repository") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise ConfigError(f"git can't make a repository: {said}; give --repository") from error
    return Repository(str(folder), BRANCH, older)


def _git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | _WHO
    done = subprocess.run(  # noqa: S603 - every argument is a constant of this file or our folder
        ["git", *arguments],  # noqa: S607 - wherever the system has its git
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.decode().strip()
