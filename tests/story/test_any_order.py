"""The promises are kept whatever happens in whatever order: hypothesis looks for a counterexample.

A long look, of some hours:

    python -m pytest tests/story/test_any_order.py --timeout=0 --hypothesis-profile=hunt
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import hypothesis.strategies as st
import trio
import trio.lowlevel
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.story import asks
from tests.story.peace import make_peace
from tests.story.player import TREATMENTS, Player
from tests.story.stand import Dead, Stand

MEMORY: Final = "/dev/shm"  # nothing here loses power: a disk that is only memory will do
PORTS: Final = (9001, 9002, 9003)
NAMES: Final = ("one", "two", "three")
STEPS_S: Final = (0.0, 0.05, 0.6, 1.1, 5.0, 8.0, 16.0, 29.0, 31.0, 45.0, 130.0)

ENDS: Final = (
    ("success", "exited", 0),
    ("failure", "exited", 1),
    ("failure", "exited", 2),
    ("error", "timeout", None),
    ("error", "canceled", None),
    ("error", "disk_full", None),
    ("error", "agent_restarted", None),
    ("error", "agent_lost", None),
)

ends = st.sampled_from(ENDS)
# The priority of a build, and the labels that it asks for; no agent has the last one.
wishes = st.tuples(
    st.sampled_from([0, 5, -5]),
    st.sampled_from([(), (), ("linux",), ("gpu",), ("gpu", "linux"), ("arm",)]),
)
# How something is asked: waiting for the answer, beside all that follows, or leaving after so
# many turns without having heard it; and how long nothing else happens then.
manners = st.tuples(
    st.one_of(st.sampled_from(["wait", "wait", "beside"]), st.integers(0, 12)),
    st.sampled_from([None, None, 0.0, 0.05, 1.1, 6.0]),
)
Manner = tuple[str | int, float | None]
AT_ONCE: Final[Manner] = ("wait", None)


async def alone(work: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Ask something of a server that may die meanwhile."""
    with suppress(Dead):
        await work(*args)


class AnyOrder(RuleBasedStateMachine):
    """One story: its rules are what can happen, its end is a time of peace."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None)
        self.stand = Stand(Path(self.folder.name))
        self.lives = 0

    def ask(self, how: Manner, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Ask something of the server in one of the manners, then see that all promises hold."""
        stand = self.stand
        manner, then_s = how

        async def leave() -> None:
            assert isinstance(manner, int)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alone, work, *args)
                for _ in range(manner):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

        async def beside() -> None:
            stand.loop.nursery.start_soon(alone, work, *args)

        if manner == "beside":
            stand.loop.do(beside)
        elif manner == "wait":
            stand.loop.do(alone, work, *args)
        else:
            stand.loop.do(leave)
        if then_s is not None:
            stand.loop.do(trio.sleep, then_s)
        stand.look()

    def player(self, data: st.DataObject) -> Player:
        """Choose one of the agents."""
        return data.draw(st.sampled_from(self.stand.players), "agent")

    # People

    @rule(wishes=st.lists(wishes, min_size=1, max_size=3), how=manners)
    def submit(self, wishes: list[tuple[int, tuple[str, ...]]], how: Manner) -> None:
        """Some people ask for builds at the same moment."""

        async def submit() -> None:
            async with trio.open_nursery() as nursery:
                for wish in wishes:
                    nursery.start_soon(alone, asks.submit, self.stand, *wish)

        self.ask(how, submit)

    @rule(data=st.data(), how=manners)
    def cancel(self, data: st.DataObject, how: Manner) -> None:
        """Somebody cancels a build, one that is not there perhaps."""
        numbers = [*self.stand.ledger.builds, 99]
        self.ask(how, asks.cancel, self.stand, data.draw(st.sampled_from(numbers), "build"))

    @rule(data=st.data(), how=manners)
    def move_to_front(self, data: st.DataObject, how: Manner) -> None:
        """Somebody is in a hurry."""
        numbers = [*self.stand.ledger.builds, 99]
        self.ask(how, asks.move_to_front, self.stand, data.draw(st.sampled_from(numbers), "build"))

    @precondition(lambda self: self.stand.players)
    @rule(data=st.data(), paused=st.booleans(), how=manners)
    def pause(self, data: st.DataObject, paused: bool, how: Manner) -> None:
        """Somebody pauses an agent, or lets it go on."""
        self.ask(how, asks.pause, self.stand, self.player(data).name, paused)

    # Agents

    @initialize(slots=st.integers(1, 2))
    def first_agent(self, slots: int) -> None:
        """There is one, with work."""
        self.new_agent(NAMES[0], PORTS[0], slots, AT_ONCE)
        self.submit([(0, ()), (0, ())], ("wait", 1.0))

    @rule(
        name=st.sampled_from(NAMES),
        port=st.sampled_from(PORTS),
        slots=st.integers(1, 2),
        how=manners,
    )
    def new_agent(self, name: str, port: int, slots: int, how: Manner) -> None:
        """An agent begins at a place, whose former one is gone; its name may be taken."""
        self.lives += 1
        player = Player(name, port, slots, home=f"home {self.lives}")
        stand = self.stand
        stand.players = [p for p in stand.players if p.port != port] + [player]
        stand.network.at[port] = player
        self.ask(how, asks.register, stand, player)

    @precondition(lambda self: self.stand.players)
    @rule(
        data=st.data(),
        boots=st.booleans(),
        slots=st.sampled_from([None, 1, 2]),
        port=st.sampled_from([None, *PORTS]),
        how=manners,
    )
    def register(
        self,
        data: st.DataObject,
        boots: bool,
        slots: int | None,
        port: int | None,
        how: Manner,
    ) -> None:
        """An agent registers again: restarted perhaps, moved, or with other slots."""
        stand, player = self.stand, self.player(data)
        player.boot += boots
        player.slots = slots or player.slots
        if port is not None and port not in stand.network.at:
            del stand.network.at[player.port]
            player.port = port
            stand.network.at[port] = player
        self.ask(how, asks.register, stand, player)

    @precondition(lambda self: self.stand.players)
    @rule(data=st.data(), reach=st.sampled_from(["up", "down", "cut"]))
    def reach(self, data: st.DataObject, reach: str) -> None:
        """An agent dies, is cut off, or is back as it was."""
        self.player(data).reach = reach

    @precondition(lambda self: self.stand.players)
    @rule(data=st.data(), treatments=st.lists(st.sampled_from(TREATMENTS), min_size=1, max_size=3))
    def treat(self, data: st.DataObject, treatments: list[str]) -> None:
        """An agent will refuse the next builds, or its answers to them get lost."""
        self.player(data).treatments.extend(treatments)

    @precondition(lambda self: self.stand.players)
    @rule(data=st.data(), drains=st.booleans(), ending_s=st.sampled_from([0.0, 3.0, 50.0]))
    def change(self, data: st.DataObject, drains: bool, ending_s: float) -> None:
        """An agent drains, or not any more; its commands need so long to be gone."""
        player = self.player(data)
        player.draining, player.ending_s = drains, ending_s

    @precondition(lambda self: self.stand.players)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """An agent loses its disk."""
        self.player(data).forget()

    @precondition(lambda self: any(player.jobs for player in self.stand.players))
    @rule(data=st.data(), end=ends, printed=st.integers(0, 200), how=manners)
    def end(self, data: st.DataObject, end: Any, printed: int, how: Manner) -> None:
        """A command ends, and its agent delivers."""
        jobs = [(p, id) for p in self.stand.players for id in sorted(p.jobs)]
        player, id = data.draw(st.sampled_from(jobs), "attempt")
        player.printed[id] = player.printed.get(id, 0) + printed
        player.end(id, asks.result(end))
        self.ask(how, asks.deliver, self.stand, player, id)

    @precondition(lambda self: any(player.owed for player in self.stand.players))
    @rule(data=st.data(), how=manners)
    def deliver_again(self, data: st.DataObject, how: Manner) -> None:
        """An agent that had no answer delivers once more."""
        owed = [(p, id) for p in self.stand.players for id in sorted(p.owed)]
        player, id = data.draw(st.sampled_from(owed), "attempt")
        self.ask(how, asks.deliver, self.stand, player, id)

    @precondition(lambda self: any(player.jobs for player in self.stand.players))
    @rule(
        data=st.data(),
        printed=st.integers(0, 200),
        offset=st.integers(0, 300),
        size=st.integers(0, 300),
        how=manners,
    )
    def log(self, data: st.DataObject, printed: int, offset: int, size: int, how: Manner) -> None:
        """A piece of a log: with a gap before it perhaps, or sent before."""
        jobs = [(p, id) for p in self.stand.players for id in sorted(p.jobs)]
        player, id = data.draw(st.sampled_from(jobs), "attempt")
        has = player.printed[id] = player.printed.get(id, 0) + printed
        offset = min(offset, has)
        self.ask(how, asks.send_log, self.stand, id, offset, min(size, has - offset))

    @precondition(lambda self: self.stand.ledger.told)
    @rule(data=st.data(), end=ends, how=manners)
    def say_anything(self, data: st.DataObject, end: Any, how: Manner) -> None:
        """A result of any attempt there ever was: late, twice, or against an earlier one."""
        ids = sorted({*self.stand.ledger.attempts, *self.stand.ledger.told, "77.1.1"})
        id = data.draw(st.sampled_from(ids), "attempt")
        self.ask(how, asks.send_result, self.stand, id, asks.result(end))

    # Time, and the server's death

    @rule(seconds=st.sampled_from(STEPS_S))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.ask(AT_ONCE, trio.sleep, seconds)
        self.stand.loop.do(self.stand.check)

    @rule(turns=st.integers(0, 20), away_s=st.sampled_from(STEPS_S), crashes=st.booleans())
    def restart(self, turns: int, away_s: float, crashes: bool) -> None:
        """The server ends at any moment, and is back after some time."""
        stand = self.stand

        async def restart() -> None:
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            await (stand.crash_server() if crashes else stand.stop_server())
            await trio.sleep(away_s)
            await stand.start_server()

        stand.loop.do(restart)
        stand.loop.do(stand.check)

    def teardown(self) -> None:
        """Peace: all agents are well, and soon every build has ended and every slot is free."""
        try:
            self.stand.loop.do(make_peace, self.stand)
        finally:
            self.stand.loop.close()
            self.folder.cleanup()


# One example is a story of up to 50 steps, and takes half a second.
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=settings().max_examples // 10)
