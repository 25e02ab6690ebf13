"""Server: everything one may ask of it. The only door for pages, API and agents.

Each method is at most one change in the store, so that a caller who leaves, or a crash between
any two steps, never leaves a thing half done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import trio

from ci.config import ServerConfig
from ci.errors import Busy, NotFound, Rejected
from ci.model import (
    MAX_NUMBER,
    Agent,
    Build,
    BuildRequest,
    Kind,
    Status,
    commit_problem,
    labels_problem,
    note_problem,
)
from ci.people import Asker
from ci.server.admission import Admission
from ci.server.durations import Durations
from ci.server.enrolments import TOKEN_HOLDER, Caller, Enrolments, as_stranger
from ci.server.external.words import Telling
from ci.server.fleet import Fleet
from ci.server.following import Following
from ci.server.intake import Intake
from ci.server.journal import Journal
from ci.server.logs import Logs
from ci.server.logsearch import PAGE_LOOK_S, SHORT_LOOK_S, SLICE_BYTES, LogSearch
from ci.server.lookout import Lookout
from ci.server.outlook import Outlook
from ci.server.people.people import People
from ci.server.proofs import Proofs
from ci.server.room import Room
from ci.server.showing import Showing
from ci.server.store.store import Store
from ci.server.turnedaway import TurnedAway
from ci.server.unhurried import Unhurried
from ci.server.usage import Usage
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
    LogHits,
    LogView,
    Neighbours,
    WhyRed,
)
from ci.server.why import Explainer
from ci.wire.job import command_problem
from ci.wire.registration import Registration, write_welcome
from ci.wire.result import Result

MAX_PRIORITY = 1000  # both ways from 0, the usual one
# For the comparison of two short logs a page can wait; it takes some 20 ms, hostile lines a second.
COMPARE_S = 0.25
SHOW_S = 0.7  # that one waits for a comparison before its page says that it goes on …
WAIT_S = 3.0  # … and that each later question of this page works on it


class Server:
    """Builds are asked for here, watched, canceled; agents register and deliver here."""

    def __init__(
        self,
        config: ServerConfig,
        store: Store,
        fleet: Fleet,
        logs: Logs,
        room: Room,
        *,
        people: People,
        enrolments: Enrolments,
        vault: Vault,
        durations: Durations,
        now: Callable[[], datetime],
        journal: Journal,
        storage: Telling,
    ) -> None:
        self.config = config
        self.people = people
        self.vault = vault
        self.now = now
        self.measured = journal.metrics
        self.repositories = config.known_repositories
        self._admission = Admission(config)
        self._store = store
        self._fleet = fleet
        self._logs = logs
        self._search = LogSearch(logs)
        self._explainer = Explainer(store, logs)
        self._room = room
        self._durations = durations
        shown = Unhurried(lambda: store.version)
        self._outlook = Outlook(store, fleet, room, durations=durations, version=shown, now=now)
        self._showing = Showing(
            store, fleet, logs, room, outlook=self._outlook, shown=shown, storage=storage
        )
        self._usage = Usage(store, now)
        self._journal = journal
        self._intake = Intake(
            config.max_log_bytes,
            store,
            fleet,
            logs,
            search=self._search,
            room=room,
            enrolments=enrolments,
            journal=journal,
            now=now,
        )
        self.enrolments = enrolments
        self.proofs = Proofs(enrolments)
        self.turned_away = TurnedAway(store.book)
        self._lookout = Lookout(
            store,
            fleet,
            room,
            max_waiting=config.max_waiting_builds,
            storage=storage,
            metrics=journal.metrics,
            now=now,
        )
        self.stopping = trio.Event()
        self._following = Following(logs, self.build, self.version, self.stopping)

    def version(self, number: int | None = None, *, at_once: bool = False) -> str:
        """Return a word that changes soon after anything that a page shows may have changed.

        With `at_once` it changes at once, also in haste. So it does with a number, and then after
        anything that the page of that build shows.
        """
        return self._showing.version(number, at_once=at_once)

    def trouble(self) -> str | None:
        """Say in a sentence for every page what keeps builds from being taken or kept, or None."""
        return self._showing.trouble()

    # Builds

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
        """Accept a build and return it with its number; it is on disk, and will end.

        One that the rules forbid has ended by then, with their words.

        `repository` is a name or URL of the configuration, None the default one. Only an agent that
        has all of `labels` takes it. `by` is who asks, for the audit log.
        Raises Rejected with the field that is wrong, Busy when too many wait already, StoreFailed
        also when the disk is short.
        """
        name, url = self._find_repository(repository)
        if problem := commit_problem(commit):
            raise Rejected(f"commit: {problem}", field="commit")
        if problem := command_problem(command):
            raise Rejected(f"command: {problem}", field="command")
        if abs(priority) > MAX_PRIORITY:
            message = f"priority: must be between -{MAX_PRIORITY} and {MAX_PRIORITY}"
            raise Rejected(message, field="priority")
        asked = tuple(sorted(set(labels)))
        if problem := labels_problem(asked):
            raise Rejected(f"labels: {problem}", field="labels")
        self._room.demand()
        request = BuildRequest(name, url, commit, command, priority, asked, by.name if by else "")
        try:
            refusal = self._admission.refusal(url, command)
            most = self.config.max_waiting_builds
            return await self._store.accept(request, most, refusal, by)
        except Busy as error:
            self._journal.refused(error.message)
            raise

    async def judge(
        self, *, repository: str | None = None, command: str | None = None
    ) -> tuple[Judgement, ...]:
        """Return the rules of this server, then of each agent, and what they say of a command.

        Nothing is built. Raises Rejected as `submit` does.
        """
        asked = None
        if command is not None:
            asked = self._find_repository(repository)[1], command
            if problem := command_problem(command):
                raise Rejected(f"command: {problem}", field="command")
        return self._admission.judge(asked, await self.agents())

    async def rerun(self, number: int, by: Asker | None = None, *, exact: bool = False) -> Build:
        """Accept the same build once more, with a new number. Raises NotFound, Rejected, Busy.

        A branch is looked up again, unless it is to be the `exact` commit that was found then.
        """
        old = (await self.build(number)).build
        if exact and old.commit_hash is None:
            message = f"exact: nobody knows which commit build {number} was of; ask without it"
            raise Rejected(message, field="exact")
        return await self.submit(
            repository=old.repository,
            commit=old.commit_hash if exact and old.commit_hash else old.commit,
            command=old.command,
            priority=old.priority,
            labels=old.labels,
            by=by,
        )

    async def cancel(self, number: int, by: Asker | None = None) -> Build:
        """Cancel a build; it is canceled when this returns, its processes are gone soon after.

        Raises NotFound, and Conflict when it has ended already.
        """
        await self._store.cancel(_in_range(number), by)
        return (await self.build(number)).build

    async def move_to_front(self, number: int, by: Asker | None = None) -> Build:
        """Let a build that waits be the next one, whatever the others' priorities.

        Raises NotFound, and Conflict when it does not wait.
        """
        await self._store.move_to_front(_in_range(number), by)
        return (await self.build(number)).build

    async def build(self, number: int) -> BuildView:
        """Return everything about a build. Raises NotFound."""
        view = await self._showing.view(_in_range(number))
        if view is None:
            raise await self._store.not_found(number)
        return view

    async def builds(self, wanted: BuildFilter) -> BuildPage:
        """Return a page of the builds that fit."""
        return await self._store.page(wanted)

    async def views(self, builds: Sequence[Build]) -> tuple[BuildView, ...]:
        """Return everything about each of some builds, as they are now, in as many queries as one.

        Of one that was removed since it was read there are no attempts.
        """
        return await self._showing.views(builds)

    async def view_of_new(self, build: Build) -> BuildView:
        """Return everything about a build that was accepted just now."""
        return await self._showing.view_of_new(build)

    async def neighbours(self, build: Build) -> Neighbours:
        """Return the builds that one goes to from another one."""
        return await self._store.neighbours(build)

    async def typical_s(self, build: Build) -> float | None:
        """Return how many seconds such builds take: the median of the last green ones, or None.

        Such are those of the same repository and command.
        """
        return await self._durations.typical_s(Kind.of(build))

    async def results(self, wanted: BuildFilter, limit: int) -> tuple[Build, ...]:
        """Return the last builds of a repository, branch or agent that have ended, newest first.

        Of all, if none is named; none, where they would have to be looked for.
        """
        return await self._store.results(wanted, limit)

    async def counts(self, repository: str | None = None) -> dict[Status, int]:
        """Count the builds of each status, or those of one repository, by its name or URL."""
        return await self._store.counts(repository)

    async def count(self, wanted: BuildFilter) -> Counts:
        """Count the builds of each status that fit, whatever status and place are wanted.

        Only as far as that is cheap, which the answer tells.
        """
        return await self._store.count(wanted)

    # Logs

    async def log(self, number: int, attempt: str | None = None) -> LogView:
        """Return what there is of a log; that of the latest attempt unless one is named.

        Raises NotFound.
        """
        return await self._following.log(number, attempt)

    def log_size(self, attempt: str) -> int:
        """Return how many bytes there are now of an attempt's log."""
        return self._logs.size(attempt)

    async def wait_log(self, number: int, seen: LogView) -> LogView:
        """Wait until there is more of a build's latest log than `seen`, and return it.

        Returns `seen` when nothing has come for a while, or the server stops. Raises NotFound.
        """
        return await self._following.wait(number, seen)

    def is_stopping(self) -> bool:
        """Whether the server is about to end: whoever waits for something goes now."""
        return self.stopping.is_set()

    async def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes of a log from `offset`."""
        return await self._logs.read(attempt, offset, limit)

    async def log_lines_before(self, attempt: str, offset: int) -> int:
        """Count the line ends in the first `offset` bytes of a log."""
        return await self._logs.lines_before(attempt, offset)

    async def log_line_begin(self, attempt: str, line: int) -> int | None:
        """Return the offset at which a line of a log begins; None when there is none (yet)."""
        return await self._logs.line_begin(attempt, line)

    async def log_times(self, attempt: str) -> Sequence[tuple[int, int]]:
        """Return offsets in a log, and the milliseconds after which the bytes from there came."""
        return await self._logs.times(attempt)

    async def find_after(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Find the next lines of a log that have `text`, or that look like an error."""
        return await self._search.after(attempt, text, line, most)

    async def find_before(self, attempt: str, text: str | None, line: int, most: int) -> LogHits:
        """Find the last lines before `line` that have `text`, or that look like an error."""
        return await self._search.before(attempt, text, line, most)

    async def first_error(self, attempt: str) -> LogHits:
        """Return the first line that looks like an error, of a log that has ended.

        Looks for a moment only: `next` is None when all was looked at, else ask again.
        """
        is_short = self._logs.size(attempt) <= SLICE_BYTES
        with trio.move_on_after(SHORT_LOOK_S if is_short else PAGE_LOOK_S):
            return await self._search.first_error(attempt)
        return self._search.known_error(attempt)

    async def compared_with(self, view: BuildView) -> WhyRed:
        """Say which green build one that went wrong can be compared with, without doing it."""
        return await self._explainer.choose(view)

    async def headline(self, why: WhyRed) -> Headline | None:
        """Return the line that says most of what the green build did not print.

        None where nobody has compared, and that is not quickly done.
        """
        with trio.move_on_after(COMPARE_S):
            return await self._explainer.headline(why)
        return None

    async def why_red(self, number: int) -> WhyRed:
        """Compare the log of a build that went wrong with that of the last green one like it.

        That takes up to some seconds for long logs. Raises NotFound.
        """
        return await self._explainer.explain(await self.build(number))

    async def why_red_so_far(self, number: int, *, is_shown: bool) -> WhyRed:
        """Do the same for a moment only: `found` is None until it is done, then ask again.

        It lasts longer for a page that `is_shown` already. Raises NotFound.
        """
        why = await self._explainer.choose(await self.build(number))
        with trio.move_on_after(WAIT_S if is_shown else SHOW_S):
            return await self._explainer.compare(why)
        return self._explainer.so_far(why)

    # Agents, as people see them

    async def agents(self) -> tuple[AgentView, ...]:
        """Return all agents that have registered and were not forgotten, by name."""
        return await self._outlook.agents()

    async def use(self, agents: Sequence[AgentView]) -> dict[str, AgentUse]:
        """Return by name how busy agents were in the last 24 hours."""
        return await self._usage.look(agents)

    async def set_paused(
        self, name: str, paused: bool, note: str = "", by: Asker | None = None
    ) -> None:
        """Let an agent take no more work, and `note` why, or take it again. Raises NotFound."""
        if problem := note_problem(note):
            raise Rejected(f"note: {problem}", field="note")
        await self._fleet.pause(name, paused=paused, note=note if paused else "", by=by)

    async def forget_agent(self, name: str, by: Asker | None = None) -> None:
        """Leave a lost agent out of the list. Raises NotFound, Conflict."""
        await self._fleet.forget(name, by)

    async def revoke_agent(self, name: str, by: Asker | None = None) -> None:
        """Take nothing more from an agent, whatever it shows, until it is readmitted.

        Raises NotFound.
        """
        await self._fleet.revoke(name, by)

    async def readmit_agent(self, name: str, by: Asker | None = None) -> None:
        """Let whoever has the token enrol under this name, and take no older credential.

        Raises NotFound.
        """
        await self._fleet.readmit(name, by)

    async def health(self) -> Health:
        """Say whether builds can be taken and run, by writing to the store."""
        return await self._lookout.health()

    async def metrics(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return await self._lookout.metrics()

    # What agents call

    async def register(
        self, said: Registration, caller: Caller = TOKEN_HOLDER
    ) -> dict[str, object]:
        """Take in an agent and return the answer for it.

        Raises Conflict for a taken name, Unauthorized, Forbidden, Busy.
        """
        now = self.now()
        if caller.address is not None:
            said = as_stranger(said, caller.address)
        name = said.shown_name
        claim = self.enrolments.claim(caller, name, wants=said.wants_credential)
        assert said.port is not None  # read_registration makes sure
        agent = await self._fleet.register(
            Agent(
                name=name,
                host=said.host,
                port=said.port,
                slots=said.slots,
                labels=said.labels,
                version=said.version,
                boot_id=said.boot_id,
                home_id=said.home_id,
                certificate=said.certificate,
                native=said.protocol > 0,
                paused=False,
                first_seen=now,
                last_seen=now,
            ),
            claim,
            draining=said.draining,
            problem=said.problem,
        )
        held = {attempt.id: attempt for attempt in await self._store.held(agent.name)}
        keep = {
            each.id: each.id in held and held[each.id].is_meant(each.lease_mark)
            for each in said.attempts
        }
        offer = None
        if claim.wants and claim.shown is None:
            offer = self.enrolments.offer(caller, name, agent.generation)
        return write_welcome(agent.name, self.config.heartbeat_seconds, keep, offer)

    async def append_log(
        self,
        id: str,
        offset: int,
        data: bytes,
        cut: int | None = None,
        *,
        lease_mark: str = "",
        caller: Caller = TOKEN_HOLDER,
    ) -> int:
        """Add a piece of an attempt's log and return the log's size.

        `cut` is where the agent's words stand that the log's middle is left out.
        Raises GivenUp, LogGap, TooLarge, LogFull, StoreFailed, and Forbidden for an attempt that
        is not the caller's.
        """
        return await self._intake.append_log(
            id, offset, data, cut, lease_mark=lease_mark, caller=caller
        )

    async def finish(self, result: Result, caller: Caller = TOKEN_HOLDER) -> None:
        """Take the result of an attempt. An identical repeat is fine.

        Raises GivenUp, LogGap when bytes of its log are missing, Rejected, StoreFailed, Busy,
        and Forbidden for an attempt that is not the caller's.
        """
        await self._intake.finish(result, caller)

    def _find_repository(self, wanted: str | None) -> tuple[str, str]:
        """Return name and URL of a configured repository."""
        known = self.repositories
        if not known:
            message = "this server has none; its settings repository and repositories name them"
            raise Rejected(f"repository: {message}", field="repository")
        if wanted is None:
            return next(iter(known.items()))
        if wanted in known:
            return wanted, known[wanted]
        for name, url in known.items():
            if url == wanted:
                return name, url
        message = f"repository: {wanted[:200]!r} is not configured; known: {', '.join(known)}"
        raise Rejected(message, field="repository")


def _in_range(number: int) -> int:
    if not 0 < number <= MAX_NUMBER:
        raise NotFound(f"there is no build {number}", field="number")
    return number
