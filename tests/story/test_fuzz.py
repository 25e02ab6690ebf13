"""Whatever is sent to whatever route: no 5xx, and what is refused, or only read, changes nothing.

A long look, of some hours:

    python -m pytest tests/story/test_fuzz.py --timeout=0 --hypothesis-profile=hunt
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import hypothesis.strategies as st
import trio
from hypothesis import given, settings
from quart_trio import QuartTrio
from trio.testing import MockClock

from ci.model import Status
from ci.server.run import create_server_app
from ci.server.views import MAX_LIMIT, BuildFilter
from tests.story.fuzzing import Answer, Request, ask, requests
from tests.story.world import World

Story = Callable[[World], Awaitable[None]]
Look = Callable[[], Awaitable[object]]

# After what was taken, until all that comes of it has come: a lost agent is given 30 s. No multiple
# of any interval, so that nothing else happens in the moment in which it is over.
SETTLE_S: Final = 50.017
READS: Final = ("GET ", "HEAD ", "OPTIONS ")  # they change nothing, whatever they are answered
# Each is a server of its own with all that it asks.
in_short = settings(max_examples=settings().max_examples // 5)
some = st.lists(requests, min_size=8, max_size=20)


def tell(story: Story) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with trio.open_nursery() as nursery:
                await story(World(nursery, Path(folder)))
                nursery.cancel_scope.cancel()

    trio.run(whole, clock=MockClock(autojump_threshold=0))


async def try_all(app: QuartTrio, asked: list[Request], look: Look) -> None:
    """Send them one after the other."""
    for request in asked:
        before, begin = await look(), trio.current_time()
        answer = await ask(app, request)
        assert answer.status < 500, answer
        if answer.status >= 400:
            check_refusal(answer)
        if answer.status >= 400 or answer.asked.startswith(READS):
            if trio.current_time() == begin:  # else something else may have come of age
                assert await look() == before, answer
        else:
            await trio.sleep(SETTLE_S)


def check_refusal(answer: Answer) -> None:
    """Somebody has to understand it, a person or a program."""
    if answer.asked.startswith("HEAD "):
        return  # Hypercorn leaves the body out
    if answer.headers["content-type"].startswith("text/html"):
        assert b"</html>" in answer.body, answer
    elif answer.headers["content-type"].startswith("image/svg+xml"):
        assert b"</svg>" in answer.body, answer  # a badge says it in its own way
    elif answer.status != 416:  # RFC 9110: told by Content-Range
        error = json.loads(answer.body)["error"]
        assert error["message"], answer
        assert set(error) == {"field", "message"}


def sizes(folder: Path) -> dict[str, int]:
    """Name each file with its size."""
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@in_short
@given(some)
def test_the_server_takes_or_refuses(asked: list[Request]) -> None:
    """With a build that runs, one that waits and one that has ended."""

    async def story(world: World) -> None:
        server = await world.start_server()
        agent = world.agent(slots=1)
        await agent.register()
        for _ in range(3):
            await world.submit()
        await world.wait_count(agent.taken)
        await agent.log("1.1.1", 0, b"hello\n")
        await agent.finish("1.1.1", log_size=6)
        await world.wait_build(2, Status.RUNNING)
        await agent.log("2.1.1", 0, b"\x1b[31mred\n")

        async def look() -> object:
            builds = (await server.builds(BuildFilter(limit=MAX_LIMIT))).builds
            agents = [(view.agent.name, view.agent.paused) for view in await server.agents()]
            return builds, agents, sizes(world.folder / "server" / "logs")

        await try_all(create_server_app(server), asked, look)

    tell(story)


@in_short
@given(some)
def test_an_agent_takes_or_refuses(asked: list[Request]) -> None:
    """With a build that runs."""

    async def story(world: World) -> None:
        await world.start_server()
        agent = await world.start_agent(slots=2)
        number = await world.submit("sleep 1000")
        await world.wait_build(number, Status.RUNNING)

        async def look() -> object:
            jobs = (world.folder / "agent-8081" / "spool").glob("*/job.json")
            return [state.id for state in agent.attempts.states()], sorted(jobs)

        await try_all(agent.app, asked, look)

    tell(story)
