"""What pages and API are told: frozen answers of `core.Server`, ready to be shown. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci.model import Agent, AgentState, Attempt, Build, Status
from ci.news import NewLine, News
from ci.origin import Origin

DEFAULT_LIMIT = 50  # builds on one page
MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class BuildFilter:
    """Which builds: all that is given must hold.

    `before` and `after` are numbers, one of them at most: the builds right below, or right above.
    """

    status: Status | None = None
    repository: str | None = None  # a name or an URL
    branch: str | None = None
    agent: str | None = None
    text: str | None = (
        None  # part of number, commit, subject, author, branch, command, agent, label
    )
    before: int | None = None
    after: int | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class BuildPage:
    """Builds, newest first. `next` is the `before` of the next older page, None at the end.

    `newer` is the `after` of the page with newer ones, None at the top. `looked_to` says that the
    page may be short since nobody looked beyond that number yet; its neighbour goes on from there.
    """

    builds: tuple[Build, ...]
    next: int | None
    newer: int | None = None
    looked_to: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many builds there are of each status.

    Nobody has counted beyond `most` of a status, nor below the number `looked_to`; None = all.
    """

    of: dict[Status, int]
    most: int | None = None
    looked_to: int | None = None


@dataclass(frozen=True, slots=True)
class ExternalView:
    """Where a build of an external storage came from, and how far that knows of it."""

    origin: Origin
    report: str  # in a sentence or two
    is_told: bool  # nothing is left to be told


@dataclass(frozen=True, slots=True)
class BuildView:
    """A build with all that is known of it. Attempts are oldest first."""

    build: Build
    attempts: tuple[Attempt, ...]
    queue_position: int | None = None  # 1 = first of all that wait; None unless waiting
    # Among those that would take the same slots; None where no agent has its labels, too.
    place: int | None = None
    waiting_for: str | None = None  # one sentence; None unless waiting
    waits_briefly: str | None = None  # what of it a line of a list says
    waits_because: str | None = None  # what of it holds for many; None when its turn has come
    starts_in_s: int | None = None  # about; None unless waiting, or when nobody knows
    is_stuck: bool = (
        False  # whether it waits for a person: no agent takes work, or the disk is short
    )
    phase: str | None = None  # what its agent does with it just now; None unless running
    external: ExternalView | None = None  # if it came from an external storage


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Builds that one goes to from another one: of the same branch, or of its repository."""

    branch: str = ""  # of all of them; empty when they are only of the same repository
    previous: int | None = None
    next: int | None = None
    last_green: int | None = None  # before it, of the same branch and command


@dataclass(frozen=True, slots=True)
class LogView:
    """The log of one attempt: its size in bytes now, and whether it can still grow."""

    attempt: str | None  # None while there is none, or if there never was one: an empty log
    size: int
    growing: bool
    cut: int | None = None  # where the words stand that its middle is left out; None if it is not


@dataclass(frozen=True, slots=True)
class LogHit:
    """A line of a log that was found, as plain text around what was found in it."""

    line: int
    before: str
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class LogHits:
    """Lines that were found, in order; `next` is the line to go on from, None at the log's end."""

    hits: tuple[LogHit, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A build that an agent did not take, and what it answered."""

    build: int
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LogNews:
    """What is new in a log against that of a green build, and what of both was not looked at."""

    news: News
    missing: tuple[NewLine, ...]  # the first ones of the green log that did not come again
    left_out: int  # bytes in its middle
    green_left_out: int
    # Lines with other numbers, each with one of the green log; those that say most come first.
    changed: tuple[tuple[NewLine, NewLine], ...] = ()
    changed_kinds: int = 0  # shapes of such lines, whether they are shown or not


@dataclass(frozen=True, slots=True)
class Headline:
    """What a red log says at first sight that the green one does not; None: no line is new."""

    hit: LogHit | None
    is_error: bool  # the first new line that looks like one; else it is the last new line


@dataclass(frozen=True, slots=True)
class WhyRed:
    """Why a build may have failed; `problem` says in a sentence why nobody knows, else empty."""

    view: BuildView
    green: BuildView | None = None  # the build that it is compared with
    same_branch: bool = True
    newest: bool = True  # whether it is the last green one; the log of a newer one may be gone
    found: LogNews | None = None  # None if there is a problem, or nobody has compared
    looked_at: int = 0  # bytes of both logs, while they are compared
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent as the server sees it now."""

    agent: Agent
    state: AgentState
    last_heard: datetime
    running: tuple[Attempt, ...]
    load: float | None = None  # of one minute
    disk_free: int | None = None  # bytes
    problem: str = ""  # why the last request to it failed, or why it takes no work
    takes_work: bool = True  # whether it would take a build now, if a slot is free
    refused: Refusal | None = None  # the last one since the server was started
    commands: tuple[str, ...] | None = None  # its rules; None when it does not tell them
    repositories: tuple[str, ...] | None = None  # the same, or when all may be built
    sandbox: str = ""  # what holds its builds in, in its words; empty when it does not say
    no_secrets: str = ""  # why it takes no secrets, in its words; empty when it does, or is silent


@dataclass(frozen=True, slots=True)
class AgentUse:
    """What an agent did in the last 24 hours."""

    shares: tuple[float, ...]  # of its slots that were busy, by half hours, the oldest first
    ended: int  # attempts

    @property
    def mean(self) -> float:
        """The share of its slots that was busy all in all."""
        return sum(self.shares) / len(self.shares) if self.shares else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules of the server or of one agent, and what they say of a build that is thought of.

    `problem` says in a sentence why it would be refused; empty when it would run, or when there is
    none to judge. `words` are those of its command where it would run without a shell.
    """

    agent: str | None  # None: the server's rules
    commands: tuple[str, ...] | None  # None: an agent that does not tell its rules
    repositories: tuple[str, ...] | None = None  # None: all, or those of the server's configuration
    why: str = ""  # why the rules for commands are in force, as far as is known
    problem: str = ""
    words: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server can take and run builds; each problem is one sentence."""

    problems: tuple[str, ...]
    agents_online: int
    builds_waiting: int
    version: str = ""
    agents_lost: int = 0
    builds_running: int = 0
    max_builds_waiting: int = 0  # when so many wait, new ones are refused
    oldest_waiting_s: float = 0.0  # since it was accepted; 0 when none waits
    store_write_s: float | None = None  # how long a write took just now; None when it failed

    @property
    def ok(self) -> bool:
        """True when there is no problem."""
        return not self.problems


SecretKey = tuple[str, str]  # repository and name of a secret


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret as it is kept. `repository` is an URL without a password in it."""

    repository: str
    name: str
    branches: tuple[str, ...]
    commands: tuple[str, ...]
    sealed: str
    set_at: datetime
    set_by: str  # as the audit log names them
    last_used: datetime | None = None

    @property
    def key(self) -> SecretKey:
        """What it is known by."""
        return self.repository, self.name
