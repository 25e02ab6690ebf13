"""Builds and agents in words, for a line of a terminal. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ci.answers.agents import Agent
from ci.answers.builds import Build
from ci.answers.writing import iso
from ci.escapes import plain_text
from ci.model import Reason, Status

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400
_ONE_LINE: Final = str.maketrans("\n\t", "  ")


def plain(text: object) -> str:
    """Put a text of others into a line: it must not speak to the reader's terminal."""
    return plain_text(str(text)).translate(_ONE_LINE)


def first_line(command: str) -> str:
    """Return the first line of a command that is not empty, with a sign if there are more."""
    lines = [line.strip() for line in command.splitlines() if line.strip()]
    return plain(lines[0]) + (" …" if len(lines) > 1 else "") if lines else ""


def duration(seconds: float | None) -> str:
    """`2.4 s`, `3:05`, `1:00:02`; empty for None."""
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < _MINUTE_S else clock(seconds)


def clock(seconds: float) -> str:
    """`0:05`, `3:05`, `1:00:02`."""
    hours, rest = divmod(int(seconds), _HOUR_S)
    minutes, rest = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(then: datetime, now: datetime) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: how long ago that was."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def verdict(build: Build) -> str:
    """Say how a build ended, in one line."""
    parts = [f"#{build.number} {build.status}", why(build), duration(build.duration_s)]
    return " · ".join(plain(part) for part in parts if part)


def why(build: Build) -> str:
    """Say why it ended so; empty when that says nothing."""
    if build.message:
        return build.message
    if build.status is Status.FAILURE and build.exit_code is not None:
        return f"exit code {build.exit_code}"
    said = build.reason if build.reason not in (None, Reason.EXITED, Reason.CANCELED) else ""
    return str(said).replace("_", " ")


def state(build: Build) -> str:
    """Say what becomes of a build just now, in one line."""
    if build.status.ended:
        return verdict(build)
    if build.status is Status.WAITING:
        why_waiting = f": {build.waiting_for}" if build.waiting_for else ""
        return plain(f"#{build.number} waiting{why_waiting}")
    phase = f": {build.phase}" if build.phase else ""
    return plain(f"#{build.number} running on {build.agent}{phase}")


def line(build: Build, now: datetime) -> tuple[str, ...]:
    """Return the columns of a line of a list."""
    what = build.subject or build.commit
    return (
        f"#{build.number}",
        build.status,
        duration(build.duration_s),
        ago(build.created_at, now),
        plain(build.branch or build.commit[:12]),
        plain(what),
        first_line(build.command),
    )


def facts(build: Build) -> list[tuple[str, str]]:
    """Return all about a build, each with its name."""
    found: list[tuple[str, object]] = [
        ("build", f"#{build.number}"),
        ("status", build.status),
        ("why", why(build)),
        ("repository", build.repository),
        ("commit", " ".join(dict.fromkeys(filter(None, (build.commit, build.commit_hash))))),
        ("subject", build.subject),
        ("author", build.author),
        ("branch", build.branch),
        ("command", build.command),
        ("labels", " ".join(build.labels)),
        ("asked by", build.asked_by),
        ("created", iso(build.created_at)),
        ("started", iso(build.started_at)),
        ("finished", iso(build.finished_at)),
        ("took", duration(build.duration_s)),
        ("agent", build.agent),
        ("exit code", "" if build.exit_code is None else build.exit_code),
        ("waiting for", build.waiting_for),
        ("phase", build.phase),
    ]
    found += [(f"attempt {one.id}", f"{one.status} on {one.agent}") for one in build.attempts[:-1]]
    return [(name, plain(value)) for name, value in found if value not in (None, "")]


def agent_line(agent: Agent, now: datetime) -> tuple[str, ...]:
    """Return the columns of an agent's line."""
    running = " ".join(f"#{one.build}" for one in agent.running) or "nothing"
    return (
        plain(agent.name),
        agent.state,
        f"{len(agent.running)}/{agent.slots}",
        running,
        f"heard {ago(agent.last_heard, now)} ago",
        plain(" ".join(agent.labels)),
        plain(agent.problem or agent.pause_note or ""),
    )
