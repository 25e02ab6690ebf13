"""Many readers cost little more than one, and never more than a part of the processor."""

from __future__ import annotations

import re

import httpx

from ci.web.app import create_app
from ci.web.shared import EXTENSION, LITTLE, MAX_PACE, MAX_PARTS, TOO_MUCH, WINDOW_S, Shared
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
    found = re.search(r'hx-trigger="every (\d+)s"', html)
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
    """And however many there are, the memory for them is bounded."""
    await change(core)
    await core.submit(repository=None, commit="other", command=COMMAND)
    assert "#2" not in await poll(client, "/?part=builds&status=running&v=x")
    assert "#2" in await poll(client, "/?part=builds&status=waiting&v=x")
    for n in range(MAX_PARTS + 10):
        assert "#2" not in await poll(client, f"/?part=builds&q=none{n}&v=x")
    assert "#2" in await poll(client, "/?part=builds&status=waiting&v=x")


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
    """Lists and heads ask more rarely; a log that grows is followed as always."""
    app = create_app(core, 1 << 20)
    app.extensions[EXTENSION].pace = 4
    transport = AppTransport(app)  # type: ignore[arg-type]  # Hypercorn's words are stricter
    async with httpx.AsyncClient(transport=transport, base_url="http://ci.test") as client:
        await change(core)
        assert interval_s(await poll(client, "/?part=builds&v=x")) == 8
        assert interval_s(await poll(client, "/agents?part=agents&v=x")) == 8
        waiting = (await client.get("/build/1")).text
        assert [interval_s(part) for part in waiting.split('<section id="log"')] == [4, 4]
        core.print(core.start(1), b"one line\n")
        running = (await client.get("/build/1")).text
        assert [interval_s(part) for part in running.split('<section id="log"')] == [4, 1]
