"""Whatever comes from outside stays text: in pages, pictures, feeds, headers and links."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from ci.model import Status
from tests.story.crawl import ELEMENT, MARKUP, crawl
from tests.story.world import World

NAME: Final = MARKUP.replace("/", "")[:90]  # an agent's has no slash
LINK: Final = b"\x1b]8;;javascript:alert(1)\x07\x1b]8;;\x07 \x1b]8;;data:text/html,<x-evil>\x1b\\x"
CONTROLS: Final = "\x1b]0;t\x07\x9b1m\x08\r\u202e\u2028\ufeff"
HOSTILE: Final = (MARKUP + CONTROLS)[:200]
LOG: Final = b"\n".join(
    (
        MARKUP.encode(),
        b"##[group]" + MARKUP.encode(),
        b"error: " + MARKUP.encode() + LINK,
        b"\x1b[31;" + b"1;" * 300 + b"44m" + MARKUP.encode(),
        b"section_start:1:x[collapsed=true]\r\x1b[0K" + MARKUP.encode(),
        CONTROLS.encode() + b"\xff\xfe\x00",
    )
)
VALUE: Final = quote(MARKUP + "\r\nX-Evil: 1", safe="")


async def fill(world: World) -> None:
    """Let everybody who may say something say what is hostile."""
    await world.start_server()
    agent = world.agent(
        name=NAME, labels=["'\"><x-evil>"], version=MARKUP, boot_id=MARKUP, slots=2, problem=""
    )
    await agent.register()
    more = {"subject": HOSTILE, "author": HOSTILE, "branch": HOSTILE, "commit_hash": "f" * 40}
    # A good one, a bad one whose log differs, and one of which nothing is known.
    for number, code in ((1, 0), (2, 1)):
        await world.submit(f"echo {HOSTILE}\n")
        await world.wait_count(agent.taken, number)
        log = LOG * (number + 1) + b"\n%d new " % number + LOG
        await agent.log(f"{number}.1.1", 0, log)
        await agent.finish(
            f"{number}.1.1", exit_code=code, log_size=len(log), message=HOSTILE, **more
        )
        await world.wait_build(number)
    await world.submit(MARKUP)
    await world.wait_count(agent.taken, 3)
    broken = {"status": "error", "reason": "internal", "message": HOSTILE, "log_size": 0}
    await agent.finish("3.1.1", exit_code=None, **broken)
    await world.wait_build(3)
    await world.submit(MARKUP)  # it runs, and tells of itself
    await world.wait_build(4, Status.RUNNING)
    await agent.log("4.1.1", 0, LOG)
    agent.problem = HOSTILE
    await trio.sleep(60)
    async with world.network.client() as client:
        paused = await client.post(
            "http://server:8080/api/agents/pause", json={"name": NAME, "note": MARKUP}
        )
        assert paused.status_code == 200, paused.text
    await world.submit(MARKUP, labels=("x-evil>",))  # it waits, and says for what


HEADERS: Final = (
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Prefix",
    "X-Original-URL", "X-Rewrite-URL", "Forwarded", "Referer", "Accept-Language", "User-Agent",
)  # fmt: skip
STARTS: Final = [
    "/", "/agents", "/people", "/audit", "/account", "/login", "/api/builds", "/api/agents",
    "/metrics", "/feed.atom", "/pulse", "/policy", "/api/metrics",
    f"/?q={VALUE}&branch={VALUE}&agent={VALUE}&labels={VALUE}",
    f"/?command={VALUE}&commit={VALUE}&repository={VALUE}",
    f"/feed.atom?q={VALUE}", f"/?repository={VALUE}", f"/?status={VALUE}", f"/?before={VALUE}",
    f"/badge/{VALUE}.svg", f"/badge/%2Fsrv%2Fgit%2Fdemo.svg?branch={VALUE}&label={VALUE}",
    f"/policy?command={VALUE}&repository={VALUE}", f"/login?next={VALUE}", f"/login?next=//{VALUE}",
    f"/login?error={VALUE}&state={VALUE}&code={VALUE}", f"/login/openid/back?error={VALUE}",
    f"/agents/{quote(NAME, safe='')}", f"/{VALUE}", f"/build/{VALUE}", f"/build/2?q={VALUE}",
    f"/build/2?line={VALUE}", f"/build/2?attempt={VALUE}", f"/build/2?style={VALUE}",
    f"/build/2/find?q={VALUE}", f"/build/2/log?attempt={VALUE}", "/build/2/log", "/build/2/why",
    "/build/2.json", "/api/builds/2", "/api/builds/2/why",
]  # fmt: skip


async def test_nobody_elses_words_are_markup(autojump_clock: MockClock, tmp_path: Path) -> None:
    """On every page that a visitor can come to, and in the headers that come with it."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, tmp_path)
        await fill(world)
        async with world.network.client() as client:
            assert await crawl(client, STARTS) > 2 * len(STARTS)
            metrics = (await client.get("http://server:8080/metrics")).text
            assert len(list(text_string_to_metric_families(metrics))) > 20
            page = await client.get("http://server:8080/build/2", headers={"Accept": "text/html"})
            assert ELEMENT in page.text  # it was there to be tried
        nursery.cancel_scope.cancel()


async def test_no_header_of_a_visitor_leads_others_away(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Addresses in answers are of the path alone, or of the name that this server has."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, tmp_path)
        await world.start_server()
        async with world.network.client() as client:
            for header in HEADERS:
                client.headers[header] = "https://evil.example/x-evil>"
            assert await crawl(client, ["/", "/feed.atom", "/build/9", "/login?next=/x"]) > 10
        nursery.cancel_scope.cancel()
