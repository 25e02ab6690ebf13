"""What is known at the end of a torture run: all that the checker judges by. Plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ci.model import Reason, Status
from tests.torture.kinds import End


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that no build was made."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a build and what was heard; neither number nor refusal = no answer.

    `lossy`: it went through a connection that loses answers and sends requests twice. `cancels`
    are the statuses of the answers to its cancels, None for one without answer.
    """

    token: str
    kind: str
    client: int
    lossy: bool = False
    number: int | None = None
    refusal: Refusal | None = None
    cancels: tuple[int | None, ...] = ()

    def with_cancel(self, heard: int | None) -> Asked:
        """Note one more try to cancel it."""
        return replace(self, cancels=(*self.cancels, heard))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A log beside what the command says that it printed: sizes, and the bytes they begin alike.

    `printed` is 0 when the command never began.
    """

    log: int
    printed: int
    common: int

    @property
    def equal(self) -> bool:
        """Whether they are the same."""
        return self.log == self.printed == self.common

    @property
    def fits(self) -> bool:
        """Whether one is the beginning of the other."""
        return self.common == min(self.log, self.printed)


@dataclass(frozen=True, slots=True)
class Piece:
    """The beginning of a log, as it was read while it grew."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Piece:
        """Note what was read."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt as the API tells it. `log` is None when its log could not be had."""

    id: str
    agent: str
    status: Status
    reason: Reason | None
    exit_code: int | None = None
    log_size: int | None = None
    log: Comparison | None = None
    read_before: bool = True  # the log begins with whatever was read of it while it grew

    @property
    def end(self) -> End:
        """How it ended."""
        return End(self.status, self.reason, self.exit_code)


@dataclass(frozen=True, slots=True)
class Told:
    """A build as the API tells it at the end. `token` is found in its command."""

    number: int
    token: str
    end: End
    tries: tuple[Try, ...]
    message: str = ""
    duration_s: float = 0.0  # of the last attempt
    labels: tuple[str, ...] = ()  # at most one, which is the name of an agent


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command, as the command noted it. `ended` is None when it was killed."""

    attempt: str
    token: str
    pid: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a program's log."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AgentAtEnd:
    """An agent at the end: what the server says of it, and what it says itself."""

    name: str
    state: str
    believed: tuple[str, ...]  # attempts that the server believes it runs
    has: tuple[str, ...]  # attempts that it has


@dataclass(frozen=True, slots=True)
class Sample:
    """How large a process was; `life` counts the starts of the program."""

    program: str
    life: int
    rss: int  # bytes
    files: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. `seen` are the statuses of each build in the order in which they were seen."""

    asked: tuple[Asked, ...] = ()
    builds: tuple[Told, ...] = ()
    seen: Mapping[int, tuple[Status, ...]] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    agents: tuple[AgentAtEnd, ...] = ()
    samples: tuple[Sample, ...] = ()
    at_rest: tuple[Sample, ...] = ()  # when all was over
    processes: tuple[str, ...] = ()  # that were left
    folders: tuple[str, ...] = ()  # of spool and workspaces that were left
    store_problems: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()  # of the tormentor
    problems: tuple[str, ...] = ()  # tracebacks in the logs
