"""Take it home: the lines that repeat a build in anybody's shell. Pure.

Each value is one word to a shell, whatever is in it. What an agent adds of its own environment is
not told: it may be secret. For sh, bash and zsh, and for fish unless a value has a backslash.
"""

from __future__ import annotations

import shlex

from ci.model import Build
from ci.repository import shown_url


def commands(build: Build) -> str | None:
    """Return the lines to paste: clone, exact commit, what we set in the environment, command.

    None while nobody has told the exact commit: a branch has moved on since, or was never found.
    """
    commit = build.commit_hash
    if commit is None:
        return None
    url = shown_url(build.repository_url)
    folder = f"build-{build.number}"
    environment = {
        "CI": "true",
        "CI_BUILD_NUMBER": str(build.number),
        "CI_COMMIT": commit,
        "CI_BRANCH": build.branch or "",
        "CI_REPOSITORY": url,
    }
    words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    steps = [
        shlex.join(["git", "clone", "--", url, folder]),
        shlex.join(["cd", folder]),
        # No branch may have it any more. If the clone does, the server is not even asked.
        shlex.join(["git", "fetch", "origin", commit]),
        shlex.join(["git", "checkout", "--detach", commit]),
        "git submodule update --init --recursive",
        f"{' '.join(words)} {shlex.join(['sh', '-c', build.command])}",
    ]
    # One chain: without the clone, the rest would be done to the repository that one stands in.
    return " &&\n".join(steps)
