"""A core in memory: what the web needs of the server, without a store, a fleet or a thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from ci.config import ServerConfig
from ci.errors import Busy, Conflict, NotFound, Rejected, StoreFailed
from ci.model import (
    Agent,
    AgentState,
    Attempt,
    Build,
    Reason,
    Standing,
    Status,
    attempt_id,
    commit_problem,
    labels_problem,
    note_problem,
)
from ci.newlines import compare
from ci.news import NewLine
from ci.people import Asker, Role
from ci.server.admission import Admission
from ci.server.enrolments import Enrolments
from ci.server.store.safe import Safe
from ci.server.vault import Vault
from ci.server.views import (
    AgentUse,
    AgentView,
    BuildFilter,
    BuildPage,
    BuildView,
    Counts,
    Headline,
    Health,
    Judgement,
    LogHit,
    LogHits,
    LogNews,
    LogView,
    Neighbours,
    Refusal,
    WhyRed,
)
from tests.fakes.people import KEYS, fake_people
from tests.fakes.provider import FakeProvider
from tests.fakes.safe import FakeSafe

OF_AGENTS = 0  # in the place of a build's number
START = datetime(2026, 11, 21, 14, 3, 22, tzinfo=UTC)


class FakeCore:
    """Builds and logs in dicts. A test changes them by the methods at the end."""

    def __init__(
        self,
        config: ServerConfig | None = None,
        anonymous: Role | None = Role.VIEWER,
        provider: FakeProvider | None = None,
    ) -> None:
        self.config = config or ServerConfig.check({"repository": "https://example.org/demo.git"})
        self.people = fake_people(self.now, anonymous, provider)
        self.enrolments = Enrolments(KEYS, "token", ())
        self.safe = FakeSafe()
        self.vault = Vault(
            self.config,
            KEYS,
            cast("Safe", self.safe),
            self.enrolments,
            has_accounts=lambda: True,
            now=self.now,
        )
        self.clock: datetime | None = START
        self.askers: list[Asker | None] = []  # who has changed anything, and how often
        self.healthy = True
        self.in_trouble: str | None = None
        self.in_haste = False  # changes come so fast that open pages are told of none
        self.full = False  # as many builds wait as may
        self.typical: dict[str, float] = {}  # by command: how many seconds it usually takes
        self.meanwhile: list[Callable[[], object]] = []  # what happens while a log is waited for
        self.stops = False
        self.look_lines = 10_000  # that one question looks at when a text is wanted
        self.looked_to: int | None = None  # how far each page was looked for
        self.max_count: int | None = None  # of each status
        self.queries = 0  # how often anything was asked that costs a look into a store
        self.compares_for = 0  # looks of an open page in which a comparison is not done yet
        self.whys: dict[int, WhyRed] = {}  # by build: what is said in the place of a comparison
        self._version = 1
        self._changed = {OF_AGENTS: 0}  # by the number of the build: the version since then
        self._views: dict[int, BuildView] = {}
        self._logs: dict[str, bytes] = {}
        self._agents: dict[str, AgentView] = {}
        self._times: dict[str, list[tuple[int, int]]] = {}

    @property
    def repositories(self) -> dict[str, str]:
        """Name to URL."""
        return self.config.known_repositories

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those of all builds, in order."""
        return tuple(sorted(self._views))

    def version(self, number: int | None = None, *, at_once: bool = False) -> str:
        """Count the changes, or those that the page of one build shows; in haste they lag."""
        changes = self._version if at_once or not self.in_haste else 0
        if number is not None:
            changes = max(self._changed.get(number, 0), self._changed[OF_AGENTS])
        return f"v{changes}{'-trouble' if self.in_trouble else ''}"

    def trouble(self) -> str | None:
        """Say what the test says."""
        return self.in_trouble

    def now(self) -> datetime:
        """Return the test's time, or the real one where the test has set none."""
        return self.clock or datetime.now(UTC)

    async def submit(
        self,
        *,
        repository: str | None,
        commit: str,
        command: str,
        priority: int = 0,
        labels: Collection[str] = (),
        by: Asker | None = None,
    ) -> Build:
        """Check as the server does and take the build."""
        self.askers.append(by)
        name = repository or next(iter(self.repositories), "")
        if name not in self.repositories:
            raise Rejected(f"repository: {name!r} is not configured", field="repository")
        if problem := commit_problem(commit):
            raise Rejected(f"commit: {problem}", field="commit")
        if not command or "\x00" in command:
            raise Rejected("command: is empty or has a NUL character", field="command")
        asked = tuple(sorted(set(labels)))
        if problem := labels_problem(asked):
            raise Rejected(f"labels: {problem}", field="labels")
        if self.full and self.in_trouble is not None:
            raise StoreFailed(self.in_trouble)
        if self.full:
            raise Busy("7 builds wait already, which is the limit")
        build = Build(
            number=len(self._views) + 1,
            repository=name,
            repository_url=self.repositories[name],
            commit=commit,
            command=command,
            priority=priority,
            asked_by=by.name if by else "",
            status=Status.WAITING,
            created_at=self.now(),
            labels=asked,
        )
        place = 1 + sum(view.queue_position is not None for view in self._views.values())
        self._put(
            BuildView(
                build,
                (),
                queue_position=place,
                place=place,
                waiting_for="It waits for a free slot.",
                waits_briefly="In line",
            )
        )
        return build

    async def judge(
        self, *, repository: str | None = None, command: str | None = None
    ) -> tuple[Judgement, ...]:
        """Judge by the settings, and by what `add_agent` was told of the agents."""
        asked = None
        if command is not None:
            name = repository or next(iter(self.repositories), "")
            if name not in self.repositories:
                raise Rejected(f"repository: {name!r} is not configured", field="repository")
            if not command.strip():
                raise Rejected("command: is empty", field="command")
            asked = self.repositories[name], command
        return Admission(self.config).judge(asked, await self.agents())

    async def cancel(self, number: int, by: Asker | None = None) -> Build:
        """End a build."""
        self.askers.append(by)
        view = await self.build(number)
        if view.build.status.ended:
            raise Conflict(f"build {number} has ended already")
        was_open = any(one.log_open for one in view.attempts)
        view = self.end(number, Status.CANCELED, Reason.CANCELED)
        if was_open:  # its agent has yet to bring the end of the log
            last = replace(view.attempts[-1], log_size=None, log_open=True)
            self._put(replace(view, attempts=(*view.attempts[:-1], last)))
        return view.build

    async def move_to_front(self, number: int, by: Asker | None = None) -> Build:
        """Put a build before all others."""
        self.askers.append(by)
        view = await self.build(number)
        if view.build.status is not Status.WAITING:
            raise Conflict(f"build {number} does not wait")
        others = [
            other
            for other in self._views.values()
            if other.queue_position is not None and other.build.number != number
        ]
        others.sort(key=lambda other: other.queue_position or 0)
        for place, each in enumerate([view, *others], 1):
            self._put(replace(each, queue_position=place, place=place))
        return view.build

    async def rerun(self, number: int, by: Asker | None = None, *, exact: bool = False) -> Build:
        """Ask for the same again."""
        build = (await self.build(number)).build
        return await self.submit(
            repository=build.repository,
            commit=(build.commit_hash or "") if exact else build.commit,
            command=build.command,
            priority=build.priority,
            labels=build.labels,
            by=by,
        )

    async def build(self, number: int) -> BuildView:
        """Look a build up."""
        self.queries += 1
        if number not in self._views:
            raise NotFound(f"there is no build {number}")
        return self._views[number]

    async def builds(self, wanted: BuildFilter) -> BuildPage:
        """Filter all builds."""
        self.queries += 1
        found = [
            view.build
            for number, view in sorted(self._views.items(), reverse=True)
            if (wanted.status is None or view.build.status is wanted.status)
            and (wanted.repository is None or view.build.repository == wanted.repository)
            and wanted.branch in (None, _branch(view.build))
            and (wanted.agent is None or view.build.agent == wanted.agent)
            and (wanted.text is None or wanted.text in f"{view.build}")
        ]
        numbers = [build.number for build in found]
        begin = sum(wanted.before is not None and number >= wanted.before for number in numbers)
        if wanted.after is not None:
            begin = max(sum(number > wanted.after for number in numbers) - wanted.limit, 0)
        shown = tuple(found[begin : begin + wanted.limit])
        older = shown[-1].number if shown and begin + len(shown) < len(found) else None
        newer = found[begin - 1].number - 1 if begin else None
        return BuildPage(shown, older, newer, self.looked_to)

    async def results(self, wanted: BuildFilter, limit: int) -> tuple[Build, ...]:
        """Filter all that have ended."""
        if wanted.text is not None:
            return ()
        of = BuildFilter(repository=wanted.repository, branch=wanted.branch, agent=wanted.agent)
        found = await self.builds(replace(of, limit=len(self._views)))
        return tuple([build for build in found.builds if build.status.ended][:limit])

    async def view_of_new(self, build: Build) -> BuildView:
        """Return everything about a build that was accepted just now."""
        (view,) = await self.views([build])
        return view

    async def views(self, builds: Sequence[Build]) -> tuple[BuildView, ...]:
        """Say all about each of some builds."""
        return tuple([await self.build(build.number) for build in builds])

    async def neighbours(self, build: Build) -> Neighbours:
        """Say that there are those with the numbers beside it."""
        others = {number for number, view in self._views.items() if number != build.number}
        green = {n for n in others if self._views[n].build.status is Status.SUCCESS}
        return Neighbours(
            build.branch or "",
            max((n for n in others if n < build.number), default=None),
            min((n for n in others if n > build.number), default=None),
            max((n for n in green if n < build.number), default=None),
        )

    async def typical_s(self, build: Build) -> float | None:
        """Say what the test says of that command."""
        return self.typical.get(build.command)

    async def counts(self, repository: str | None = None) -> dict[Status, int]:
        """Count the builds of each status."""
        builds = [view.build for view in self._views.values()]
        of = [b.status for b in builds if repository is None or b.repository == repository]
        return {status: of.count(status) for status in Status}

    async def count(self, wanted: BuildFilter) -> Counts:
        """Count all that fit, or no more than the test says."""
        every = replace(wanted, status=None, before=None, after=None, limit=len(self._views) + 1)
        of = [build.status for build in (await self.builds(every)).builds]
        most = self.max_count
        found = {status: min(of.count(status), most or len(of)) for status in Status}
        return Counts(found, most, self.looked_to)

    async def log(self, number: int, attempt: str | None = None) -> LogView:
        """Look a log up."""
        view = await self.build(number)
        ids = [one.id for one in view.attempts]
        if attempt is None and not ids:
            return LogView(None, 0, growing=not view.build.status.ended)
        id = attempt or ids[-1]
        if id not in ids:
            raise NotFound(f"build {number} has no attempt {id}", field="attempt")
        own = view.attempts[ids.index(id)]
        size = len(self._logs[id])
        cut = own.log_cut if own.log_cut is not None and own.log_cut < size else None
        return LogView(id, size, own.log_open, cut)

    async def wait_log(self, number: int, seen: LogView) -> LogView:
        """Let the next of those things happen that happen meanwhile."""
        if not self.meanwhile:
            return seen
        self.meanwhile.pop(0)()
        return await self.log(number)

    def is_stopping(self) -> bool:
        """Stop when a test wants it."""
        return self.stops

    def log_size(self, attempt: str) -> int:
        """Measure a log."""
        return len(self._logs[attempt])

    async def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        """Read bytes of a log."""
        return self._logs[attempt][offset : offset + limit]

    async def log_lines_before(self, attempt: str, offset: int) -> int:
        """Count line ends."""
        return self._logs[attempt].count(b"\n", 0, offset)

    async def log_line_begin(self, attempt: str, line: int) -> int | None:
        """Find where a line begins."""
        lines = self._logs[attempt].split(b"\n")
        begin = sum(len(each) + 1 for each in lines[: line - 1])
        return begin if begin < len(self._logs[attempt]) else None

    async def log_times(self, attempt: str) -> Sequence[tuple[int, int]]:
        """Return what `print` was told."""
        return self._times.get(attempt, ())

    async def find_after(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Look at all lines behind one; at no more than `look_lines` of them."""
        lines = self._logs[attempt].decode().split("\n")
        looked = lines[line : line + self.look_lines]
        hits = self._hits(looked, line, text)[:most]
        if hits and len(hits) == most:
            return LogHits(hits, hits[-1].line)
        over = line + len(looked) >= len(lines)
        return LogHits(hits, None if over else line + len(looked))

    async def find_before(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Look at all lines before one."""
        lines = self._logs[attempt].decode().split("\n")[: line - 1]
        hits = self._hits(lines, 0, text)[-most:]
        return LogHits(hits, hits[0].line if len(hits) == most else None)

    async def first_error(self, attempt: str) -> LogHits:
        """Look for it in all of the log."""
        return await self.find_after(attempt, None, 0, 1)

    async def why_red(self, number: int) -> WhyRed:
        """Compare with the last green one before it, of whatever branch and command."""
        if number in self.whys:
            return self.whys[number]
        why = await self.compared_with(await self.build(number))
        view, green = why.view, why.green
        if green is None:
            return why
        other = self._logs[green.attempts[-1].id]
        news = compare([self._logs[view.attempts[-1].id]], [other])
        lines = other.split(b"\n")
        missing = tuple(NewLine(line, lines[line - 1]) for line in news.missing_lines)
        return replace(why, found=LogNews(news, missing, 0, 0))

    async def why_red_so_far(self, number: int, *, is_shown: bool) -> WhyRed:
        """Be at it for as many looks of a page that is shown as the test says."""
        why = await self.why_red(number)
        if not self.compares_for:
            return why
        self.compares_for -= is_shown
        return replace(why, found=None, looked_at=1_000_000)

    async def headline(self, why: WhyRed) -> Headline | None:
        """Take it from what the test says, if it does."""
        said = self.whys.get(why.view.build.number)
        if said is None or said.found is None:
            return None
        news = said.found.news
        line = news.first_error or news.last
        hit = None if line is None else LogHit(line.number, "", line.text.decode(), "")
        return Headline(hit, is_error=news.first_error is not None)

    async def compared_with(self, view: BuildView) -> WhyRed:
        """Choose the last green one before it, or what the test says."""
        number = view.build.number
        if number in self.whys:
            return replace(self.whys[number], found=None)
        if view.build.status not in (Status.FAILURE, Status.ERROR):
            return WhyRed(view, problem="It is not red.")
        near = await self.neighbours(view.build)
        if near.last_green is None:
            return WhyRed(view, problem="No earlier build was green.")
        green = self._views[near.last_green]
        return WhyRed(view, green, green.build.branch == view.build.branch)

    def _hits(self, lines: list[str], before: int, text: str | None) -> tuple[LogHit, ...]:
        wanted = "error:" if text is None else text
        return tuple(
            LogHit(number, *line.partition(wanted))
            for number, line in enumerate(lines, before + 1)
            if wanted in line
        )

    async def agents(self) -> tuple[AgentView, ...]:
        """List the agents."""
        self.queries += 1
        running = [
            one
            for view in self._views.values()
            for one in view.attempts
            if one.status is Status.RUNNING
        ]
        return tuple(
            replace(view, running=tuple(one for one in running if one.agent == name))
            for name, view in self._agents.items()
        )

    async def use(self, agents: Sequence[AgentView]) -> dict[str, AgentUse]:
        """Say that each was busy for half of the last half hour."""
        return {view.agent.name: AgentUse((*[0.0] * 47, 0.5), ended=3) for view in agents}

    async def set_paused(
        self, name: str, paused: bool, note: str = "", by: Asker | None = None
    ) -> None:
        """Pause or resume an agent."""
        self.askers.append(by)
        if problem := note_problem(note):
            raise Rejected(f"note: {problem}", field="note")
        if name not in self._agents:
            raise NotFound(f"there is no agent {name}")
        view = self._agents[name]
        state = AgentState.PAUSED if paused else AgentState.ONLINE
        agent = replace(view.agent, paused=paused, pause_note=note if paused else "")
        self._agents[name] = replace(view, agent=agent, state=state, takes_work=not paused)
        self._change()

    async def forget_agent(self, name: str, by: Asker | None = None) -> None:
        """Forget a lost agent."""
        self.askers.append(by)
        if name not in self._agents:
            raise NotFound(f"there is no agent {name}")
        if self._agents[name].state is not AgentState.LOST:
            raise Conflict(f"agent {name} answers")
        del self._agents[name]
        self._change()

    async def revoke_agent(self, name: str, by: Asker | None = None) -> None:
        """Revoke an agent."""
        self._stand(name, Standing.REVOKED, by)

    async def readmit_agent(self, name: str, by: Asker | None = None) -> None:
        """Readmit an agent."""
        self._stand(name, Standing.OPEN, by)

    def _stand(self, name: str, standing: Standing, by: Asker | None) -> None:
        self.askers.append(by)
        if name not in self._agents:
            raise NotFound(f"there is no agent {name}")
        view = self._agents[name]
        self._agents[name] = replace(view, agent=replace(view.agent, standing=standing))
        self._change()

    async def health(self) -> Health:
        """Be well or not."""
        return Health(() if self.healthy else ("the disk is full",), len(self._agents), 0)

    async def metrics(self) -> bytes:
        """Count nothing."""
        return b"nothing 1\n"

    # What happens to builds, as tests want it.

    def start(self, number: int, agent: str = "oak") -> str:
        """Let an agent take a build; the attempt's id."""
        view = self._views[number]
        attempt = Attempt(
            id=attempt_id(number, 1, len(view.attempts) + 1),
            build=number,
            job=1,
            try_number=len(view.attempts) + 1,
            agent=agent,
            status=Status.RUNNING,
            started_at=self.now(),
            log_open=True,
        )
        self._logs[attempt.id] = b""
        build = replace(
            view.build, status=Status.RUNNING, started_at=attempt.started_at, agent=agent
        )
        self._put(BuildView(build, (*view.attempts, attempt)))
        return attempt.id

    def note_secrets(self, attempt: str, words: str) -> None:
        """Say which secrets the last attempt of a build had."""
        view = self._views[int(attempt.partition(".")[0])]
        last = replace(view.attempts[-1], secrets=words)
        self._put(BuildView(view.build, (*view.attempts[:-1], last)))

    def print(self, attempt: str, data: bytes, at_ms: int | None = None) -> None:
        """Add to a log; the version stays."""
        if at_ms is not None:
            self._times.setdefault(attempt, []).append((len(self._logs[attempt]), at_ms))
        self._logs[attempt] += data

    def close_log(self, number: int, *, arrived: bool = True) -> None:
        """Let the agent of a canceled build have brought the end of the log, or be given up."""
        view = self._views[number]
        last = view.attempts[-1]
        size = len(self._logs[last.id]) if arrived else None
        last = replace(last, log_size=size, log_open=False)
        self._put(replace(view, attempts=(*view.attempts[:-1], last)))

    def cut(self, number: int, offset: int) -> None:
        """Let the words that a log's middle is left out stand at `offset` of the latest one."""
        view = self._views[number]
        last = replace(view.attempts[-1], log_cut=offset)
        self._put(replace(view, attempts=(*view.attempts[:-1], last)))

    def lose(self, number: int, message: str = "") -> None:
        """Lose the agent: the build waits again."""
        view = self._end_attempt(number, Status.ERROR, Reason.AGENT_LOST, message, None)
        build = replace(view.build, status=Status.WAITING, agent=None, started_at=None)
        self._put(
            replace(
                view, build=build, queue_position=1, place=1, waiting_for="It waits for a slot."
            )
        )

    def end(
        self,
        number: int,
        status: Status,
        reason: Reason = Reason.EXITED,
        *,
        message: str = "",
        exit_code: int | None = None,
    ) -> BuildView:
        """End a build."""
        view = self._end_attempt(number, status, reason, message, exit_code)
        started = view.build.started_at
        build = replace(
            view.build,
            status=status,
            reason=reason,
            message=message,
            exit_code=exit_code,
            finished_at=self.now(),
            duration_s=(self.now() - started).total_seconds() if started else None,
            log_size=len(self._logs[view.attempts[-1].id]) if view.attempts else None,
        )
        view = replace(
            view, build=build, queue_position=None, place=None, waiting_for=None, waits_briefly=None
        )
        self._put(view)
        return view

    def stick(self, number: int, why: str = "no agent takes work: oak is paused") -> None:
        """Let a build that waits wait for a person."""
        self._put(
            replace(
                self._views[number],
                waiting_for=f"Next in line; {why}.",
                waits_briefly="Next in line; no agent takes work",
                waits_because=why,
                is_stuck=True,
            )
        )

    def describe(self, number: int, *, phase: str | None = None, **fields: str) -> None:
        """Say what was found behind the commit, and what the agent does."""
        view = self._views[number]
        changed = {**{name: getattr(view.build, name) for name in fields}, **fields}
        build = replace(
            view.build,
            commit_hash=changed.get("commit_hash", view.build.commit_hash),
            subject=changed.get("subject", view.build.subject),
            author=changed.get("author", view.build.author),
            branch=changed.get("branch", view.build.branch),
        )
        self._put(replace(view, build=build, phase=phase))

    def remove(self, number: int) -> None:
        """Remove a build, as the rules do."""
        del self._views[number]
        self._change(number)

    def rename(self, number: int, repository: str) -> None:
        """Let a build be of a repository as its name once was."""
        view = self._views[number]
        self._put(replace(view, build=replace(view.build, repository=repository)))

    def add_agent(
        self,
        name: str,
        *,
        state: AgentState = AgentState.ONLINE,
        problem: str = "",
        takes_work: bool = True,
        labels: tuple[str, ...] = (),
        heard_s_ago: float = 1,
        refused: Refusal | None = None,
        commands: tuple[str, ...] | None = None,
        repositories: tuple[str, ...] | None = None,
        sandbox: str = "",
        no_secrets: str = "",
        standing: Standing = Standing.OPEN,
    ) -> None:
        """Let an agent be known."""
        heard = self.now() - timedelta(seconds=heard_s_ago)
        agent = Agent(
            name=name,
            host="10.0.0.7",
            port=8081,
            slots=2,
            labels=labels,
            version="0.1.0",
            boot_id="b1",
            home_id="h1",
            native=True,
            paused=state is AgentState.PAUSED,
            first_seen=heard,
            last_seen=heard,
            standing=standing,
        )
        takes_work = takes_work and state is AgentState.ONLINE
        self._agents[name] = AgentView(
            agent,
            state,
            heard,
            (),
            0.42,
            123_456_789_012,
            problem,
            takes_work,
            refused,
            commands,
            repositories,
            sandbox,
            no_secrets,
        )
        self._change()

    def _end_attempt(
        self, number: int, status: Status, reason: Reason, message: str, exit_code: int | None
    ) -> BuildView:
        view = self._views[number]
        if not view.attempts or view.attempts[-1].status is not Status.RUNNING:
            return view
        last = view.attempts[-1]
        last = replace(
            last,
            status=status,
            reason=reason,
            message=message,
            exit_code=exit_code,
            finished_at=self.now(),
            duration_s=(self.now() - last.started_at).total_seconds(),
            log_size=len(self._logs[last.id]),
            log_open=False,
        )
        return replace(view, attempts=(*view.attempts[:-1], last))

    def _put(self, view: BuildView) -> None:
        self._views[view.build.number] = view
        self._change(view.build.number)

    def _change(self, number: int = OF_AGENTS) -> None:
        self._version += 1
        self._changed[number] = self._version


def _branch(build: Build) -> str:
    return build.commit if build.branch is None else build.branch
