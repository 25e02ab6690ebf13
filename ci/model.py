"""Builds, jobs, attempts and agents: frozen data, the enums, the table of legal changes. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ci.origin import Origin


class Status(StrEnum):
    """Of builds, jobs and attempts. An attempt is never waiting."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"  # the command said no
    ERROR = "error"  # we could not find out; the reason says why
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether this status is for ever."""
        return not LEGAL_CHANGES[self]


class Reason(StrEnum):
    """Why an attempt ended."""

    EXITED = "exited"
    CANCELED = "canceled"
    TIMEOUT = "timeout"
    SILENCE = "silence"
    KILLED = "killed"
    CHECKOUT_FAILED = "checkout_failed"
    COMMAND_REFUSED = "command_refused"
    REPOSITORY_REFUSED = "repository_refused"
    AGENT_LOST = "agent_lost"
    AGENT_RESTARTED = "agent_restarted"
    AGENT_STOPPING = "agent_stopping"
    DISK_FULL = "disk_full"
    SECRET_LOST = "secret_lost"  # noqa: S105 - a word, not a secret
    INTERNAL = "internal"


# A build goes back to waiting when its attempt was lost and another may follow.
LEGAL_CHANGES: Final[dict[Status, frozenset[Status]]] = {
    Status.WAITING: frozenset({Status.RUNNING, Status.CANCELED}),
    Status.RUNNING: frozenset(
        {Status.WAITING, Status.SUCCESS, Status.FAILURE, Status.ERROR, Status.CANCELED}
    ),
    Status.SUCCESS: frozenset(),
    Status.FAILURE: frozenset(),
    Status.ERROR: frozenset(),
    Status.CANCELED: frozenset(),
}

# How a build, and an attempt, may end.
ENDS: Final[tuple[tuple[Status, Reason], ...]] = (
    (Status.SUCCESS, Reason.EXITED),
    (Status.FAILURE, Reason.EXITED),
    (Status.CANCELED, Reason.CANCELED),
    *((Status.ERROR, why) for why in Reason if why not in (Reason.EXITED, Reason.CANCELED)),
)

# The agent failed, not the command: the job may go to another agent. A test that fails is never
# tried again by itself, nor is a commit that can't be checked out.
TRY_AGAIN: Final = frozenset(
    {Reason.AGENT_LOST, Reason.AGENT_RESTARTED, Reason.AGENT_STOPPING, Reason.DISK_FULL}
)

MAX_NUMBER: Final = 2**63 - 1  # of a build: what the store can hold

MAX_ATTEMPTS: Final = 3  # a build that takes three agents down is not given a fourth

JOB_NAME: Final = "build"  # the one job of a build


def before(status: Status) -> frozenset[Status]:
    """The statuses from which `status` may be reached."""
    return frozenset(old for old, new in LEGAL_CHANGES.items() if status in new)


# What a build asks of its agent, or an agent says of itself. Those of a build are sorted, and each
# is there once, so that builds that ask for the same are equal in it.
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What somebody asks for, checked. `repository` is a name of the configuration."""

    repository: str
    repository_url: str
    commit: str
    command: str
    priority: int = 0
    labels: Labels = ()
    asked_by: str = ""  # as the audit log names them; "" for somebody without an account


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """What the agent found behind the commit that was asked for. Absent = empty."""

    commit_hash: str
    subject: str = ""
    author: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """A build as the store has it. Times are UTC; `duration_s` is that of the last attempt."""

    number: int
    repository: str
    repository_url: str
    commit: str
    command: str
    priority: int
    status: Status
    created_at: datetime
    reason: Reason | None = None
    message: str = ""
    commit_hash: str | None = None
    subject: str | None = None
    author: str | None = None
    branch: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    agent: str | None = None
    exit_code: int | None = None
    log_size: int | None = None
    labels: Labels = ()  # only an agent that has all of them takes it
    asked_by: str = ""


MAX_KIND_CHARS: Final = 200  # of a command; two that begin with as many same ones take as long


class Kind(NamedTuple):
    """What builds have in common that take about as long; None = whatever it is."""

    repository: str | None = None
    command: str | None = None  # its first MAX_KIND_CHARS characters

    @classmethod
    def of(cls, build: Build) -> Kind:
        """The kind that a build is of."""
        return cls(build.repository, build.command[:MAX_KIND_CHARS])

    @property
    def widening(self) -> tuple[Kind, ...]:
        """This one, that of its repository, and that of all builds."""
        return self, Kind(self.repository), Kind()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one job on one agent. `id` is `BUILD.JOB.TRY` and fences off earlier tries."""

    id: str
    build: int
    job: int
    try_number: int
    agent: str
    status: Status
    started_at: datetime
    reason: Reason | None = None
    message: str = ""
    finished_at: datetime | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    log_size: int | None = None
    log_cut: int | None = None  # where in the log stand the words that its middle is left out
    log_sha256: str | None = None  # hexadecimal, of all `log_size` bytes
    log_open: bool = False  # its agent may still deliver: it runs, or was canceled a moment ago
    checkout_s: float | None = None  # of `duration_s`, until the commit was checked out
    secrets: str = ""  # which it had, and why not others: for people

    @property
    def lease_mark(self) -> str:
        """What tells it from an attempt of the same id before a restore gave numbers again."""
        return f"{self.started_at:%Y%m%dT%H%M%S.%f}"  # may stand in an address as it is

    def is_meant(self, lease_mark: str) -> bool:
        """Whether an agent that names this id and `lease_mark`, if it knows one, means this."""
        return lease_mark in ("", self.lease_mark)


@dataclass(frozen=True, slots=True)
class Lease:
    """An attempt that an agent holds, with all that it needs to run it."""

    attempt: Attempt
    build: Build
    waits_again_since: datetime | None = None  # when its last attempt was lost, if one was
    origin: Origin | None = None  # if it came from an external storage


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, as its agent or the server says. `duration_s` by a monotonic clock."""

    status: Status
    reason: Reason
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float | None = None
    log_size: int | None = None
    commit: CommitInfo | None = None
    log_sha256: str | None = None  # of what the server has; the agent's own word is `Result`'s
    checkout_s: float | None = None  # of `duration_s`, until the commit was checked out
    secrets: str = ""  # which it had, and why not others: for people


class AgentState(StrEnum):
    """What the server believes of an agent."""

    ONLINE = "online"
    LOST = "lost"
    DRAINING = "draining"
    PAUSED = "paused"


class Standing(StrEnum):
    """What an agent has to show when it calls."""

    OPEN = "open"  # the token that all share
    ENROLLED = "enrolled"  # a credential of its own
    REVOKED = "revoked"  # whatever it shows, it is refused


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as the store remembers it. `native` is False for one that others wrote."""

    name: str
    host: str
    port: int
    slots: int
    labels: Labels
    version: str
    boot_id: str
    home_id: str
    native: bool
    paused: bool
    first_seen: datetime
    last_seen: datetime
    pause_note: str = ""  # why a person has paused it; empty unless paused
    certificate: str = ""  # in PEM: it is called by TLS, and must show exactly this one
    generation: int = 0  # of its credential
    standing: Standing = Standing.OPEN


MIN_LOG_LIMIT: Final = 64 << 10  # bytes of an attempt's log; with fewer nobody sees why it is red
DEFAULT_LOG_LIMIT: Final = 512 << 20
# Agent and server read the whole log once more at its end, within the time that any result has.
MAX_LOG_LIMIT: Final = 4 << 30

ATTEMPT_ID: Final = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.([1-9][0-9]{0,8})")


def attempt_id(build: int, job: int, try_number: int) -> str:
    """`12345.1.2`: the second try of the first job of build 12345."""
    return f"{build}.{job}.{try_number}"


MAX_COMMIT_CHARS: Final = 250  # git itself takes branch names of up to about 250 bytes
# What `git check-ref-format` forbids, and with it every way to become an option, a range,
# a path upwards or a shell word.
_BAD_IN_COMMIT: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")


MAX_LABELS: Final = 50  # all stand in one line of a list, which every open page has
MAX_LABEL_CHARS: Final = 100


_BETWEEN_WORDS: Final = re.compile(r"[,\s]")  # where forms and flags, too, end a label


def labels_problem(labels: Labels) -> str | None:
    """Say why a build can't ask for these labels, or None when it may."""
    if len(labels) > MAX_LABELS:
        return f"there are {len(labels)}, at most {MAX_LABELS} are allowed"
    for label in labels:
        if not label or _BETWEEN_WORDS.search(label):
            return f"{label[:MAX_LABEL_CHARS]!r} is no word: it is empty, or has a space or a comma"
        if len(label) > MAX_LABEL_CHARS:
            shown = f"{label[:20]}…"
            return f"{shown!r} has {len(label)} characters, at most {MAX_LABEL_CHARS} are allowed"
        if not label.isprintable():
            return f"{label!r} has characters that can't be printed"
    return None


MAX_NOTE_CHARS: Final = 200  # why an agent is paused: it stands in a sentence


def note_problem(note: str) -> str | None:
    """Say why `note` can't stand in a sentence, or None when it may."""
    if len(note) > MAX_NOTE_CHARS:
        return f"has {len(note)} characters, at most {MAX_NOTE_CHARS} are allowed"
    return None if note.isprintable() else "has characters that can't be shown in one line"


def commit_problem(commit: str) -> str | None:
    """Say why `commit` can't name a commit, or None when it may (hash, branch or tag)."""
    if not commit:
        return "is empty: give a hash, a branch or a tag"
    if len(commit) > MAX_COMMIT_CHARS:
        return f"has {len(commit)} characters, at most {MAX_COMMIT_CHARS} are allowed"
    if commit[0] in "-/." or commit[-1] in "/." or commit == "@":
        return "can't begin with '-', '/' or '.', nor end with '/' or '.', nor be '@'"
    if not commit.isprintable() or _BAD_IN_COMMIT.search(commit):
        return "has characters that no hash, branch or tag can have"
    return None
