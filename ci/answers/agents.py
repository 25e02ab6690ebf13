"""Agents, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci.answers.writing import Answer
from ci.model import AgentState, Standing


@dataclass(frozen=True, slots=True)
class Held(Answer):
    """An attempt that an agent holds."""

    id: str
    """`BUILD.JOB.TRY`"""
    build: int
    """the build's number"""


@dataclass(frozen=True, slots=True)
class Refusal(Answer):
    """A build that an agent did not take."""

    build: int
    """the build's number"""
    why: str
    """what the agent answered"""
    at: datetime
    """by the server's clock"""


@dataclass(frozen=True, slots=True)
class Agent(Answer):
    """An agent, with what it runs, and how busy it was."""

    name: str
    """what it calls itself"""
    state: AgentState
    """`lost` does not answer, `draining` stops after what it runs, `paused` is by a person"""
    takes_work: bool
    """whether it would take a build now, if it has a free slot"""
    host: str
    """where the server reaches it"""
    port: int
    """where the server reaches it"""
    tls: bool
    """whether it is called by TLS"""
    standing: Standing
    """`open` shows the token that all share, `enrolled` a credential of its own"""
    slots: int
    """how many builds at once"""
    labels: tuple[str, ...]
    """what it says that it can do"""
    version: str | None
    """of its program; null if it does not say"""
    first_seen: datetime
    """by the server's clock"""
    last_heard: datetime
    """by the server's clock"""
    running: tuple[Held, ...]
    """the attempts that it holds"""
    ended_24h: int
    """how many attempts it has ended in the last 24 hours"""
    use_24h: tuple[float, ...]
    """the share of its slots that was busy in each half hour of these, the oldest first"""
    load: float | None
    """of one minute; null if it does not say"""
    disk_free: int | None
    """bytes; null if it does not say"""
    problem: str | None
    """why the last request to it failed, or why it says that it takes no builds"""
    pause_note: str | None
    """why somebody has paused it"""
    refused: Refusal | None
    """the last build that it did not take since the server was started"""
    commands: tuple[str, ...] | None
    """its rules; null if it does not tell them"""
    repositories: tuple[str, ...] | None
    """its rules; null if it does not tell them, or has none"""
    sandbox: str | None
    """what holds its builds in, in words; null if it does not say"""


@dataclass(frozen=True, slots=True)
class Agents(Answer):
    """Every agent that ever registered, but for those that were forgotten since."""

    agents: tuple[Agent, ...]
    """in order of their names"""
