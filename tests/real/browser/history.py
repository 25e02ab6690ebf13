"""A history of builds, written into the database of a server that is stopped.

To run ten thousand builds would take minutes; pages show only what the tables have.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, insert

from ci.server.store import tables

_SEED: Final = 7  # the same history each time
_EVERY: Final = timedelta(minutes=23)  # about thirty builds on one working day
_DAY_S: Final = 86_400
_SUBJECTS: Final = (
    "Cache the fonts",
    "Refuse an empty basket",
    "Round prices half up, as the law says",
    "Say which file is missing",
    "Update the translations",
    "Remove the old importer",
    "Tests no longer depend on the time zone",
    "Faster start: read the settings once",
    "Mend the link in the footer",
    "Keep the order of the lines",
)
_BRANCHES: Final = ("main", "main", "main", "main", "checkout-v2", "fix/rounding", "release-2.4")
_AUTHORS: Final = ("Ada Example", "Jun Li", "Salma Haddad", "Óscar Núñez")
_COMMANDS: Final = (
    "make test",
    "make test",
    "make test",
    "make lint",
    "npm run build -- --mode=production",
)


def write_history(data: Path, repositories: dict[str, str], count: int) -> None:
    """Add `count` ended builds, the last one some minutes ago."""
    dice = random.Random(_SEED)
    now = datetime.now(UTC)
    builds, jobs, attempts = [], [], []
    names = list(repositories)
    for number in range(1, count + 1):
        name = names[0] if dice.random() < 0.7 else names[-1]
        began = now - _EVERY * (count - number) - timedelta(minutes=4, seconds=dice.random() * 900)
        took_s = dice.lognormvariate(4.2, 0.4)
        end = _end(dice)
        shared = {
            "started_at": began,
            "finished_at": began + timedelta(seconds=took_s),
            "duration_s": took_s,
            "agent": dice.choice(("oak", "birch")),
            "log_size": 0,
            **end,
        }
        builds.append(
            {
                "number": number,
                "repository": name,
                "repository_url": repositories[name],
                "commit": (branch := dice.choice(_BRANCHES)),
                "command": dice.choice(_COMMANDS),
                "priority": 0,
                "commit_hash": f"{dice.getrandbits(160):040x}",
                "subject": dice.choice(_SUBJECTS),
                "author": dice.choice(_AUTHORS),
                "branch": branch,
                "created_at": began - timedelta(seconds=dice.random() * 5),
                **shared,
            }
        )
        job = {"build": number, "job": 1, "status": end["status"]}
        jobs.append({**job, "name": "build", "priority": 0, "tries": 1})
        attempts.append({**job, "id": f"{number}.1.1", "try_number": 1, **shared})
    engine = create_engine(f"sqlite:///{data / 'ci.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(insert(tables.agents), [_agent(name, now) for name in ("oak", "birch")])
        for table, rows in (
            (tables.builds, builds),
            (tables.jobs, jobs),
            (tables.attempts, attempts),
        ):
            connection.execute(insert(table), rows)
    engine.dispose()


def _end(dice: random.Random) -> dict[str, Any]:
    """Most are green, as anywhere."""
    fate = dice.random()
    if fate < 0.84:
        return {"status": "success", "reason": "exited", "message": "", "exit_code": 0}
    if fate < 0.94:
        return {"status": "failure", "reason": "exited", "message": "", "exit_code": 2}
    if fate < 0.97:
        return {"status": "canceled", "reason": "canceled", "message": "", "exit_code": None}
    return {
        "status": "error",
        "reason": "timeout",
        "message": "it ran longer than 3600 s",
        "exit_code": None,
    }


def _agent(name: str, now: datetime) -> dict[str, Any]:
    return {
        "name": name, "host": "127.0.0.1", "port": 9, "slots": 2, "labels": "[]",
        "version": "0.1.0", "boot_id": "", "home_id": "", "native": True, "paused": False,
        "first_seen": now - timedelta(seconds=90 * _DAY_S), "last_seen": now,
    }  # fmt: skip
