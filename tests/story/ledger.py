"""The promises as plain Python: reads a store's journal and says which entry breaks one.

It knows nothing of how the server works, only what it may never do: lose a build, use a number
or an id twice, take the jobs out of their order, change what has ended, end without a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.model import LEGAL_CHANGES, MAX_ATTEMPTS, TRY_AGAIN, Reason, Status
from tests.story.journal import Entry

# What the server may say of an attempt by itself; any other end was told by an agent.
SERVERS_WORDS = {
    (Status.ERROR, Reason.AGENT_LOST),
    (Status.ERROR, Reason.AGENT_RESTARTED),
    (Status.ERROR, Reason.COMMAND_REFUSED),
    (Status.CANCELED, Reason.CANCELED),
}

Told = tuple[Status, Reason, int | None]  # how an attempt ended; the last is its exit code


@dataclass
class KeptAttempt:
    """An attempt, as the journal tells it."""

    agent: str
    status: Status = Status.RUNNING
    end: Told | None = None
    log_open: bool = True  # what it printed may still come
    log_size: int | None = None  # bytes, of one that was canceled


@dataclass
class KeptBuild:
    """A build with its one job, as the journal tells it."""

    priority: int
    labels: frozenset[str] = frozenset()
    status: Status = Status.WAITING
    job: Status = Status.WAITING
    attempts: dict[str, KeptAttempt] = field(default_factory=dict)
    tries: int = 0
    passed: list[int] = field(default_factory=list)  # builds that were before it when it was taken

    @property
    def current(self) -> list[str]:
        """The attempts that run; at most one ever may."""
        return [id for id, each in self.attempts.items() if each.status is Status.RUNNING]

    @property
    def lost(self) -> int:
        """How many attempts were lost."""
        return sum(each.end is not None and each.end[1] in TRY_AGAIN for each in self._ended)

    @property
    def _ended(self) -> list[KeptAttempt]:
        return [each for each in self.attempts.values() if each.end is not None]


class Ledger:
    """All builds that were ever accepted."""

    def __init__(self, has: Mapping[str, Collection[str]] | None = None) -> None:
        """`has` says which labels each agent has, whatever becomes of it; others have none."""
        self.has: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self.has.update({agent: frozenset(labels) for agent, labels in (has or {}).items()})
        self.builds: dict[int, KeptBuild] = {}
        self.told: dict[str, set[Told]] = {}  # what agents have said of each attempt, ever

    @property
    def line(self) -> list[int]:
        """The builds that wait, the next one first."""
        waiting = (n for n, build in self.builds.items() if build.job is Status.WAITING)
        return sorted(waiting, key=lambda number: (-self.builds[number].priority, number))

    @property
    def attempts(self) -> dict[str, KeptAttempt]:
        """All attempts there are, by id."""
        return {id: each for build in self.builds.values() for id, each in build.attempts.items()}

    def tell(self, id: str, end: Told) -> None:
        """Note what an agent is about to say of an attempt."""
        self.told.setdefault(id, set()).add(end)

    def read(self, entries: Iterable[Entry]) -> None:
        """Follow some whole transactions. Raises AssertionError where a promise is broken."""
        touched = set()
        for entry in entries:
            touched.add(entry.build)
            try:
                self._follow(entry.event, entry.build, entry.values)
            except (AssertionError, KeyError) as error:
                raise AssertionError(f"{error} in {entry}") from error
        for number in touched:
            self._check_whole(number, self.builds[number])

    def _follow(self, event: str, number: int, values: tuple[Any, ...]) -> None:
        match event, values:
            case "accepted", (status, priority, labels):
                assert number > max(self.builds, default=0), "a number that does not increase"
                assert status == Status.WAITING, "a build begins by waiting"
                self.builds[number] = KeptBuild(priority, frozenset(labels.split()))
            case "build gone", _:
                raise AssertionError("a build is lost")
            case "build", (old, new, reason):
                self._change_build(self.builds[number], old, new, reason)
            case "job", (old, new):
                self._change_job(number, self.builds[number], old, new)
            case "moved", (priority,):
                assert self.builds[number].job is Status.WAITING, "what runs has moved in line"
                self.builds[number].priority = priority
                assert self.line[0] == number, "moved, and not to the front"
            case "leased", (id, _, agent):
                build = self.builds[number]
                build.tries += 1
                assert id == f"{number}.1.{build.tries}", "an id that is not the next"
                assert not build.current, "two current attempts of one job"
                assert build.labels <= self.has[agent], "an agent without its labels"
                # An agent leaves to others what it has lost; nobody else may pass a build by.
                able = [n for n in build.passed if self.builds[n].labels <= self.has[agent]]
                lost_by = [self._agents_of(passed) for passed in able]
                assert all(agent in agents for agents in lost_by), "taken out of its turn"
                build.attempts[id] = KeptAttempt(agent)
            case "put back", (id, _):
                gone = self.builds[number].attempts.pop(id)
                assert gone.status is Status.RUNNING, "an ended attempt was put back"
            case "attempt", (id, old, new, reason, exit_code, log_open, log_size):
                attempt = self.builds[number].attempts[id]
                end = Status(new), Reason(reason), exit_code
                if old == Status.CANCELED:
                    assert end == attempt.end, "an ended attempt has changed"
                    assert attempt.log_open, "a log that was over has changed"
                    assert not log_open, "a log that goes on is no news"
                    attempt.log_open, attempt.log_size = False, log_size
                    return
                assert old == attempt.status == Status.RUNNING, "an ended attempt has changed"
                attempt.status, attempt.end = end[0], end
                known = end[:2] in SERVERS_WORDS and exit_code is None
                assert known or end in self.told.get(id, ()), "an end that nobody told"
                attempt.log_open = attempt.status is Status.CANCELED
                assert log_open == attempt.log_open, "only a canceled one's log goes on"
            case _:
                raise AssertionError("nobody knows what this means")

    def _agents_of(self, number: int) -> set[str]:
        return {attempt.agent for attempt in self.builds[number].attempts.values()}

    def _change_build(self, build: KeptBuild, old: str, new: str, reason: str | None) -> None:
        assert old == build.status, "a change that the journal has missed"
        assert not build.status.ended, "an ended build has changed"
        if new == old:
            return  # its commit was noted, for example
        assert new in LEGAL_CHANGES[build.status], "an illegal change"
        build.status = Status(new)
        if build.status is Status.WAITING:
            assert build.lost < MAX_ATTEMPTS, "one attempt too many"
        elif build.status is Status.ERROR and reason in TRY_AGAIN:
            assert build.lost == MAX_ATTEMPTS, "given up too early"
        assert build.status.ended == (reason is not None), "an end without a reason"

    def _change_job(self, number: int, build: KeptBuild, old: str, new: str) -> None:
        assert old == build.job, "a change that the journal has missed"
        assert new in LEGAL_CHANGES[build.job], "an illegal change"
        if new == Status.RUNNING:
            build.passed = self.line[: self.line.index(number)]
        build.job = Status(new)

    def _check_whole(self, number: int, build: KeptBuild) -> None:
        """Build, job and attempts always say the same once a transaction is over."""
        assert build.job is build.status, f"build {number} and its job are of two minds"
        running = build.status is Status.RUNNING
        assert len(build.current) == running, f"build {number} is {build.status}"
        if build.status in (Status.SUCCESS, Status.FAILURE):
            last = list(build.attempts.values())[-1]
            assert last.status is build.status, f"build {number} ended unlike its attempt"
