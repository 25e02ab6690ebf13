"""Builds and their attempts, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci.answers.writing import Answer
from ci.model import Reason, Status


@dataclass(frozen=True, slots=True)
class Attempt(Answer):
    """One try of a build on one agent."""

    id: str
    """`BUILD.JOB.TRY`"""
    agent: str
    """the agent's name"""
    status: Status
    """as of a build"""
    reason: Reason | None
    """why it ended; null until then"""
    message: str | None
    """in words: what the agent or git said"""
    started_at: datetime
    """by the server's clock"""
    finished_at: datetime | None
    """by the server's clock; null until then"""
    duration_s: float | None
    """by the agent's clock, with the checkout; null if it never said"""
    checkout_s: float | None
    """how much of that went by until the commit was checked out; null if it never said"""
    exit_code: int | None
    """of the command; null if it has none"""
    signal: int | None
    """the number of the signal that ended the command; null if none did"""
    log_size: int | None
    """bytes of its whole log; null until that is there, and for ever if the agent was given up"""
    log_cut: int | None
    """offset in its log where two lines say that its middle is left out; null if it is not"""
    log_open: bool
    """whether more of its log may come: it runs, or was canceled and its agent delivers the end"""
    secrets: str | None
    """in words: which it had, and why not others; null where its repository has none"""


@dataclass(frozen=True, slots=True)
class External(Answer):
    """Where a build of an external storage came from, and how far that knows of it."""

    id: str
    """its id there"""
    configuration: str
    """the id of the storage's configuration"""
    number: int
    """its number there"""
    commit_message: str
    """as the storage says it"""
    branch: str
    """as the storage says it"""
    author: str
    """as the storage says it"""
    told: bool
    """whether nothing is left to be told there"""
    report: str
    """how far the storage knows of it, in words"""


@dataclass(frozen=True, slots=True)
class Build(Answer):
    """What somebody asked for, and what became of it."""

    number: int
    """increasing, never used twice"""
    repository: str
    """name in the configuration, or the URL where it has none"""
    commit: str
    """what was asked for"""
    commit_hash: str | None
    """what the agent found; null until it has said so"""
    subject: str | None
    """of the commit; null until the agent has said so"""
    author: str | None
    """of the commit; null until the agent has said so"""
    branch: str | None
    """empty unless a branch was asked for; null until the agent has said so"""
    command: str
    """as asked"""
    priority: int
    """as asked; higher goes first"""
    labels: tuple[str, ...]
    """as asked, in order, each once"""
    asked_by: str | None
    """the account, with the name of its token if one was shown; null without one"""
    status: Status
    """`success`, `failure`, `error` and `canceled` are for ever"""
    reason: Reason | None
    """why it ended; null until then"""
    message: str | None
    """in words: what the agent or git said"""
    created_at: datetime
    """by the server's clock"""
    started_at: datetime | None
    """by the server's clock; of the latest attempt"""
    finished_at: datetime | None
    """by the server's clock; null until then"""
    duration_s: float | None
    """of the latest attempt, by the agent's clock; null if it never said"""
    agent: str | None
    """the latest attempt's agent"""
    exit_code: int | None
    """of the command; null if it has none"""
    log_size: int | None
    """bytes of the log, so far; null before the first attempt"""
    attempts: tuple[Attempt, ...]
    """each try, oldest first"""
    queue_position: int | None
    """1 = next in line; null unless waiting"""
    waiting_for: str | None
    """one sentence: its place, why no agent takes it, about when it starts; null unless waiting"""
    starts_in_s: int | None
    """about in how many seconds it starts; null unless waiting, or when nobody knows"""
    phase: str | None
    """what its agent does with it, as of its last heartbeat; null unless running"""
    external: External | None
    """where it came from, if from an external storage; else null"""


@dataclass(frozen=True, slots=True)
class Builds(Answer):
    """Some builds, newest first."""

    builds: tuple[Build, ...]
    """newest first"""
    next: int | None
    """the `before` of the next older page; null on the last one"""
    newer: int | None
    """the `after` of the page with newer ones; null when there are none"""
    looked_to: int | None
    """null; or the number at which this request stopped looking, while there may be more"""
    counts: dict[Status, int]
    """how many builds there are of each status: of `repository` if it is given, else of all"""
