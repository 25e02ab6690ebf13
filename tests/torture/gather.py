"""Gathers the evidence of a torture run: asks the server and the agents, reads notes and logs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from ci.model import Reason, Status
from tests.torture.events import problems, read_events
from tests.torture.evidence import AgentAtEnd, Comparison, Event, Piece, Run, Told, Try
from tests.torture.kinds import End, token_of
from tests.torture.stage import Stage


def builds(stage: Stage, read: Mapping[str, Piece]) -> Iterator[Told]:
    """All builds, each attempt's log compared with what its command noted, and with `read`."""
    printed = {_attempt(path): path for path in stage.notes.glob("*.out")}
    for told in _pages(stage):
        tries = tuple(_try(stage, told["number"], each, printed, read) for each in told["attempts"])
        token = token_of(told["command"])
        duration_s = told["duration_s"] or 0.0
        yield Told(
            told["number"],
            token,
            _end(told),
            tries,
            told["message"] or "",
            duration_s,
            tuple(told["labels"]),
        )


def runs(stage: Stage) -> Iterator[Run]:
    """All that the commands noted."""
    for path in stage.notes.glob("*.out"):
        attempt, token, pid = path.stem.split("+")
        end = path.with_suffix(".end")
        ended = int(end.read_text(encoding="ascii")) if end.exists() else None
        yield Run(attempt, token, int(pid), ended)


def events(stage: Stage) -> dict[str, tuple[Event, ...]]:
    """All log lines, by program."""
    return {name: tuple(read_events(one.words)) for name, one in stage.programs.items()}


def all_problems(stage: Stage) -> Iterator[str]:
    """All tracebacks."""
    for name, program in stage.programs.items():
        yield from problems(name, program.words)


def agents(stage: Stage) -> Iterator[AgentAtEnd]:
    """What the server says of each agent, and what the agent says."""
    for told in stage.server.get("/api/agents").json()["agents"]:
        url = stage.agents[told["name"]].url
        status = stage.site.http.get(f"{url}/status").json()
        yield AgentAtEnd(
            told["name"],
            told["state"],
            tuple(each["id"] for each in told["running"]),
            tuple(each["id"] for each in status["attempts"]),
        )


def folders(stage: Stage) -> Iterator[str]:
    """What is left of attempts on the disks of the agents."""
    for agent in stage.agents.values():
        for name in ("spool", "work"):
            folder = agent.data / name
            yield from map(str, folder.iterdir() if folder.exists() else ())


def processes(stage: Stage) -> Iterator[str]:
    """What still runs when all programs have ended."""
    for process in stage.site.survivors():
        with suppress(psutil.NoSuchProcess):  # it was about to end
            yield f"{process.pid} {' '.join(process.cmdline())}"


def store_problems(stage: Stage) -> Iterator[str]:
    """What the server's own check of its data folder, and SQLite's, find wrong."""
    folder = stage.server.data
    words = [sys.executable, "-m", "ci.server", "check", f"--data-dir={folder}"]
    done = subprocess.run(
        words,
        cwd=stage.site.folder,
        env=stage.site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        yield f"the server's check ended with {done.returncode}: {done.stdout}{done.stderr}"
    with closing(sqlite3.connect(folder / "ci.sqlite3")) as connection:
        for (word,) in connection.execute("PRAGMA integrity_check"):
            if word != "ok":
                yield f"the store is damaged: {word}"


def compare(log: bytes, printed: bytes) -> Comparison:
    """Compare a log with what was printed."""
    size = min(len(log), len(printed))
    common = size
    if log[:size] != printed[:size]:
        common = next(i for i in range(size) if log[i] != printed[i])
    return Comparison(len(log), len(printed), common)


def _pages(stage: Stage) -> Iterator[dict[str, Any]]:
    before: dict[str, int] = {}
    while True:
        page = stage.server.get("/api/builds", limit=200, **before).json()
        yield from page["builds"]
        if page["next"] is None:
            return
        before = {"before": page["next"]}


def _try(
    stage: Stage,
    number: int,
    told: dict[str, Any],
    printed: Mapping[str, Path],
    read: Mapping[str, Piece],
) -> Try:
    id = told["id"]
    answer = stage.server.get(f"/api/builds/{number}/log", attempt=id)
    said = printed[id].read_bytes() if id in printed else b""
    before = read.get(id, Piece.of(b""))
    end = _end(told)
    return Try(
        id,
        told["agent"],
        end.status,
        end.reason,
        end.exit_code,
        told["log_size"],
        compare(answer.content, said) if answer.status_code == 200 else None,
        Piece.of(answer.content[: before.size]) == before,
    )


def _end(told: dict[str, Any]) -> End:
    reason = Reason(told["reason"]) if told["reason"] else None
    return End(Status(told["status"]), reason, told["exit_code"])


def _attempt(path: Path) -> str:
    return path.name.split("+")[0]
