"""Builds `true` with a clean checkout: of few and of many files, from a folder and over HTTP.

`first`: the agent has never seen the repository. `known`: it has the very commit, which is asked
for by its hash. `branch`: nothing is new, but only the repository knows that. `pushed`: there is a
new commit, in which one file has changed. Each with the time of all, `end_ms`, and of the checkout.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figures import Figures, figure
from bench.stage import Stage, milliseconds
from tests.real.repository import Repository, open_git_server

PER_FOLDER: Final = 25  # files
LINES: Final = (10, 120)  # of a file, at least and at most
WORDS: Final = (
    "return",
    "value",
    "for",
    "each",
    "of",
    "the",
    "first",
    "is",
    "none",
    "=",
    "name",
    "+",
)
LOOK_S: Final = 0.1  # between two looks whether it has ended; the times are the server's


def measure(stage: Stage) -> Figures:
    """Make the repositories, and build each in each way."""
    few, many = stage.pick(5, 500, 500), stage.pick(40, 20_000, 20_000)
    times = {few: stage.pick(1, 20, 50), many: stage.pick(1, 2, 10)}
    fresh = {few: stage.pick(1, 2, 5), many: stage.pick(1, 1, 3)}
    folder = stage.site.folder / "bare"
    works = {count: make(stage.site.folder, count, fresh[count]) for count in times}
    with open_git_server(folder) as base:
        urls = {"file": str(folder), "http": base}
        names = [path.name for path in sorted(folder.iterdir())]
        repositories = {
            f"{way}-{each}": f"{url}/{each}" for way, url in urls.items() for each in names
        }
        stage.start(repositories=json.dumps(repositories))
        found: Figures = {}
        for count, work in works.items():
            for way in urls:
                found |= _measure(stage, work, f"{way}_{count}", times[count], fresh[count])
    return found


def make(folder: Path, count: int, copies: int) -> Repository:
    """Make a repository of so many files, and bare copies of it that nobody has seen."""
    dice = random.Random(count)
    work = Repository(folder / f"work-{count}")
    work.commit({f"src/part_{n // PER_FOLDER}/file_{n}.py": _text(dice) for n in range(count)})
    for nth in range(copies):
        work.bare(folder / "bare" / f"{count}-{nth}.git")
    return work


def _text(dice: random.Random) -> str:
    lines = (" ".join(dice.choices(WORDS, k=8)) for _ in range(dice.randint(*LINES)))
    return "\n".join(lines) + "\n"


def _measure(stage: Stage, work: Repository, what: str, times: int, fresh: int) -> Figures:
    way, _, count = what.partition("_")
    first, bare = f"{way}-{count}-0.git", stage.site.folder / "bare" / f"{count}-0.git"

    def pushed() -> Iterator[str]:
        for nth in range(times):
            commit = work.commit({"src/changed.py": f"changed = {way!r}, {nth}\n"})
            work.git("push", "--quiet", str(bare), "main")
            yield commit

    commit = work.git("rev-list", "--max-parents=0", "HEAD")  # the one that all copies have
    kinds = {
        "first": ((f"{way}-{count}-{nth}.git", commit) for nth in range(fresh)),
        "known": ((first, commit) for _ in range(times)),
        "branch": ((first, "main") for _ in range(times)),
        "pushed": ((first, each) for each in pushed()),
    }
    found: Figures = {}
    for kind, asked in kinds.items():
        builds = [
            stage.wait_end(stage.submit("true", commit, repository=repository), LOOK_S)
            for repository, commit in asked
        ]
        checkouts = [build["attempts"][0]["checkout_s"] * 1000 for build in builds]
        found[f"{what}_{kind}_end_ms"] = figure([milliseconds(build) for build in builds])
        found[f"{what}_{kind}_checkout_ms"] = figure(checkouts)
    return found
