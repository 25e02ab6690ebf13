"""The server itself, as the API shows it: its health, its rules, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from ci.answers.writing import Answer


@dataclass(frozen=True, slots=True)
class Problem(Answer):
    """What was wrong with a request."""

    field: str | None
    """what is wrong in the request; null if it is no field of it"""
    message: str
    """a sentence for people"""


@dataclass(frozen=True, slots=True)
class Error(Answer):
    """Why a request was not met. Nothing was changed."""

    error: Problem
    """what was wrong"""


@dataclass(frozen=True, slots=True)
class Judgement(Answer):
    """The rules of the server or of one agent, and what they say of a command."""

    agent: str | None
    """whose rules these are; null: the server's, which come first"""
    commands: tuple[str, ...] | None
    """the rules; null of an agent that does not tell them"""
    repositories: tuple[str, ...] | None
    """the rules; null where there are none"""
    why: str | None
    """why the server's rules for commands are in force"""
    allowed: bool | None
    """whether that command may run there; null if none was asked about, or nobody knows"""
    problem: str | None
    """why not, in the sentence that the build would have; else null"""
    words: tuple[str, ...] | None
    """the words of the command where it would run without a shell; else null"""


@dataclass(frozen=True, slots=True)
class Rules(Answer):
    """What may be built."""

    rules: tuple[Judgement, ...]
    """of the server, then of each agent"""


@dataclass(frozen=True, slots=True)
class Health(Answer):
    """Whether the server can take builds, keep them and hand them out."""

    ok: bool
    """whether it can"""
    problems: tuple[str, ...]
    """why not, each in a sentence"""
    agents_online: int
    """agents that answer"""
    agents_lost: int
    """agents that were asked in vain"""
    builds_waiting: int
    """now"""
    max_builds_waiting: int
    """when so many wait, new ones are refused"""
    builds_running: int
    """now"""
    oldest_waiting_s: float
    """age of the oldest build that waits, since it was accepted; 0 when none waits"""
    store_write_s: float | None
    """how long the write took that this request made; null when it failed"""
    version: str
    """of the server's program"""
