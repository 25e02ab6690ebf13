"""A store with any number of builds, as some years of a busy team leave it: written in bulk."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from ci.server.store.database import FILE_NAME, open_database

REPOSITORIES: Final = ("web", "api", "app", "docs", "infra")
AGENTS: Final = 20
_COMMANDS: Final = ("make test", "make lint", "make check PYTHON=3.13", "npm run test -- --shard 2")
_SUBJECTS: Final = (
    "Show the reason of a failure in the list",
    "Mend a race between two leases",
    "Bump the minor versions of all dependencies",
    "Say in the documentation what a slot is",
    "Read the settings once, at the start",
)
_STATUSES: Final = ("success",) * 15 + ("failure",) * 4 + ("canceled",)
_RARE: Final = 50_000  # one build of so many ended as an error
_MICROSECONDS: Final = 1_000_000
_APART_S: Final = 60  # between two builds


def fill(folder: Path, builds: int) -> None:
    """Make a data folder whose store has so many builds that have ended. Logs there are none.

    Their agents are forgotten, so that a server has nobody to ask in vain.
    """
    open_database(folder).close()
    now = int(time.time()) * _MICROSECONDS
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO agents (name, host, port, slots, labels, version, boot_id, home_id,"
            " native, paused, first_seen, last_seen, forgotten)"
            " VALUES (?, '127.0.0.1', 9, 4, '[]', '0.1.0', 'b', 'h', 1, 0, ?, ?, 1)",
            [(f"agent-{number}", now, now) for number in range(AGENTS)],
        )
        connection.executemany(
            'INSERT INTO builds (number, repository, repository_url, "commit", command, priority,'
            " status, reason, message, commit_hash, subject, author, branch, created_at,"
            " started_at, finished_at, duration_s, agent, exit_code, log_size)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1234)",
            _builds(builds, now),
        )
        connection.execute(
            "INSERT INTO jobs (build, job, name, status, priority, tries)"
            " SELECT number, 1, 'build', status, priority, 1 FROM builds"
        )
        connection.execute(
            "INSERT INTO attempts (id, build, job, try_number, agent, status, reason, message,"
            " started_at, finished_at, duration_s, exit_code, log_size)"
            " SELECT number || '.1.1', number, 1, 1, agent, status, reason, '', started_at,"
            " finished_at, duration_s, exit_code, log_size FROM builds"
        )


def _builds(count: int, now: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, count + 1):
        of = number // 2  # each commit is built by two commands
        digest = hashlib.sha1(str(of).encode(), usedforsecurity=False).hexdigest()
        dice = int(digest[:8], 16)
        repository = REPOSITORIES[dice % len(REPOSITORIES)]
        branch = "main" if of % 3 else f"topic/{of // 30}"
        status = "error" if number % _RARE == 1 else _STATUSES[(dice >> 4) % len(_STATUSES)]
        ended = now - (count - number) * _APART_S * _MICROSECONDS
        seconds = 20 + dice % 200
        yield (
            number,
            repository,
            f"https://git.example.org/{repository}.git",
            branch,
            _COMMANDS[number % len(_COMMANDS)],
            status,
            "canceled" if status == "canceled" else "exited",
            digest,
            f"{_SUBJECTS[dice % len(_SUBJECTS)]} ({of})",
            f"Ada {dice % 40} <ada{dice % 40}@example.org>",
            branch,
            ended - (seconds + 5) * _MICROSECONDS,
            ended - seconds * _MICROSECONDS,
            ended,
            float(seconds),
            f"agent-{dice % AGENTS}",
            0 if status == "success" else 1,
        )
