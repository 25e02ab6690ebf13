"""Many readers cost little more than one, and never more than a part of the processor."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import trio
import trio.testing
from quart_trio import QuartTrio

from ci.people import Reader, Role
from ci.web.app import create_app
from ci.web.shared import (
    ENTRY_CHARS,
    EXTENSION,
    FAR_PLACE,
    LITTLE,
    MAX_CHARS,
    MAX_PACE,
    TOO_MUCH,
    WINDOW_S,
    Shared,
    address_of,
)
from ci.web.visitors import VISITOR, Visitor
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore
from tests.unit.web.conftest import HTMX

COMMAND = "make test"
SHARED = ("/?part=builds&v=old", "/build/1?part=head&v=old")


async def poll(client: httpx.AsyncClient, path: str) -> str:
    """Ask for a part."""
    answer = await client.get(path, headers=HTMX)
    assert answer.status_code == 200
    return answer.text


def interval_s(html: str) -> int:
    """After how many seconds the part asks again."""
    found = re.search(r'part=[^"]*" hx-trigger="every (\d+)s"', html)
    assert found is not None
    return int(found[1])


async def change(core: FakeCore) -> None:
    """Let something happen."""
    await core.submit(repository=None, commit="main", command=COMMAND)


async def test_what_one_reader_has_asked_costs_nothing_for_the_next(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """The store is asked once for each change, whatever each page has already."""
    await change(core)
    for path in SHARED:
        first = await poll(client, path)
        queries = core.queries
        for have in ("older", "none"):
            assert await poll(client, path.replace("old", have)) == first
        assert core.queries == queries
    core.start(1)
    for path in SHARED:
        assert await poll(client, path) != first
        assert "running" in await poll(client, path)


async def test_each_filter_is_a_part_of_its_own(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Whoever looks for something is not shown what another one looks for."""
    await change(core)
    await core.submit(repository=None, commit="other", command=COMMAND)
    assert "#2" not in await poll(client, "/?part=builds&status=running&v=x")
    assert "#2" in await poll(client, "/?part=builds&status=waiting&v=x")
    assert "#2" not in await poll(client, "/?part=builds&q=none&v=x")
    assert "#2" in await poll(client, "/?part=builds&status=waiting&v=x")


class Maker:
    """Makes parts of one length for `shared`, and counts them."""

    def __init__(self, shared: Shared, chars: int = 1) -> None:
        self.shared = shared
        self.chars = chars
        self.made = 0
        self.may_end = trio.Event()

    async def __call__(self) -> str:
        """Make one, while others run."""
        self.made += 1
        await self.may_end.wait()
        return "x" * self.chars

    async def look(self, address: str, moment: str) -> None:
        """Ask as a reader does."""
        async with asking(address):
            assert len(await self.shared.part(lambda: moment, self)) == self.chars


def asking(address: str) -> Any:
    """Be in the request of somebody, at that address, who may see everything."""
    scope: Any = {"type": "http", "headers": [], "client": ("10.0.0.1", 1), "scheme": "http"}
    visitor = Visitor(lambda *_: Reader(role=Role.ADMIN), scope, proxies=())
    return QuartTrio(__name__).test_request_context(address, scope_base={VISITOR: visitor})


async def test_a_whole_page_is_made_once_for_each_state(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """For all who come; at once for who has just changed something, also in haste."""
    for path in ("/", "/?status=waiting"):
        first = (await client.get(path)).text
        queries = core.queries
        assert (await client.get(path)).text == first
        assert core.queries == queries
        core.in_haste = True
        await change(core)
        assert (await client.get(path)).text != first
        core.in_haste = False
    assert core.clock is not None
    core.clock += timedelta(minutes=1)
    assert "1 min ago" in (await client.get("/")).text


async def test_a_form_that_is_filled_in_is_nobody_elses(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """What asks for a part gets no page that was made before."""
    await change(core)
    edited = await client.get("/?command=mine")
    assert 'value="mine"' in edited.text
    plain = await client.get("/")
    assert 'value="mine"' not in plain.text
    part = await client.get("/?part=builds", headers=HTMX)
    assert "<html" not in part.text


async def test_readers_who_ask_at_once_share_one_making() -> None:
    """Also those who come while it is made."""
    make = Maker(Shared(0))
    async with trio.open_nursery() as readers:
        for _ in range(50):
            readers.start_soon(make.look, "/", "now")
        readers.start_soon(make.look, "/other", "now")
        await trio.testing.wait_all_tasks_blocked()
        make.may_end.set()
    assert make.made == 2


async def test_readers_who_wait_are_served_by_what_is_made_meanwhile() -> None:
    """However much happens: a making that began after they asked shows what they asked for."""
    make = Maker(Shared(0))
    async with trio.open_nursery() as readers:
        for n in range(50):
            readers.start_soon(make.look, "/", f"moment {n}")
            await trio.testing.wait_all_tasks_blocked()
        assert make.made == 1
        make.may_end.set()
    assert make.made == 2
    await make.look("/", "later")
    assert make.made == 3


async def test_a_reader_who_leaves_takes_no_part_from_others() -> None:
    """The next one in line makes it."""
    make = Maker(Shared(0))
    async with trio.open_nursery() as readers:
        async with trio.open_nursery() as leaving:
            leaving.start_soon(make.look, "/", "now")
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(3):
                readers.start_soon(make.look, "/", "now")
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        make.may_end.set()
    assert make.made == 2


async def test_the_memory_for_parts_is_bounded() -> None:
    """Nothing of past moments is kept; of other addresses, the newest until it is too much."""
    make = Maker(Shared(0), MAX_CHARS // 4)
    make.may_end.set()
    await make.look("/first", "then")
    for n in range(20):
        await make.look("/", f"moment {n}")
    await make.look("/first", "then")
    assert make.made == 21
    for n in range(3):
        await make.look(f"/{n}", "now")
    await make.look("/first", "then")
    assert make.made == 25
    make.chars = 2 * MAX_CHARS
    for _ in range(3):
        await make.look("/huge", "now")
    assert make.made == 26


async def test_that_nothing_is_new_takes_room_as_well() -> None:
    """Whoever makes up addresses does not fill the memory with answers of no length."""
    shared = Shared(0, max_chars=10 * ENTRY_CHARS)
    for n in range(30):
        async with asking(f"/{n}"):
            shared.settle("now")
    known = [n for n in range(30) if shared.known(address_of(f"/{n}", [], Role.ADMIN)) is not None]
    assert known == list(range(21, 30))


async def test_a_long_command_makes_no_long_list(client: httpx.AsyncClient, core: FakeCore) -> None:
    """Its beginning is enough there; the page of the build has it whole."""
    for _ in range(50):
        await core.submit(repository=None, commit="main", command='"' * 99_000)
    assert len(await poll(client, "/?part=builds&v=x")) < 500_000
    assert "&#34;" * 99_000 in await poll(client, "/build/1?part=head&v=x")


def test_when_much_changes_pages_ask_more_rarely() -> None:
    """Twice as rarely after each window that took too much, down to a bound; then back again."""
    now_s = 1000.0
    shared = Shared(now_s)

    def after(share: float, windows: int = 1) -> int:
        """Spend that share of the time; the pace after it."""
        nonlocal now_s
        shared.spend(share * windows * WINDOW_S, now_s + windows * WINDOW_S - 0.1)
        now_s += windows * WINDOW_S
        shared.spend(0, now_s)
        return shared.pace

    assert after(LITTLE / 2) == 1
    assert [after(TOO_MUCH * 1.1) for _ in range(6)] == [2, 4, 8, 16, MAX_PACE, MAX_PACE]
    assert after((LITTLE + TOO_MUCH) / 2) == MAX_PACE, "neither too much nor little"
    assert after(LITTLE / 2) == MAX_PACE // 2
    assert after(0, windows=600) == 1


async def test_pages_keep_the_pace(core: FakeCore) -> None:
    """Lists and heads ask more rarely, those far back in line still more; a growing log never."""
    app = create_app(core, 1 << 20)
    app.extensions[EXTENSION].pace = 4
    transport = AppTransport(app)  # type: ignore[arg-type]  # Hypercorn's words are stricter
    async with httpx.AsyncClient(transport=transport, base_url="http://ci.test") as client:
        await change(core)
        assert interval_s(await poll(client, "/?part=builds&v=x")) == 8
        assert interval_s(await poll(client, "/agents?part=agents&v=x")) == 8
        waiting = (await client.get("/build/1")).text
        assert [interval_s(part) for part in waiting.split('<section id="log"')] == [4, 4]
        view = await core.build(1)
        core._put(replace(view, queue_position=FAR_PLACE + 1))
        far = (await client.get("/build/1")).text
        assert [interval_s(part) for part in far.split('<section id="log"')] == [16, 16]
        core._put(view)
        core.print(core.start(1), b"one line\n")
        running = (await client.get("/build/1")).text
        assert [interval_s(part) for part in running.split('<section id="log"')] == [4, 1]
