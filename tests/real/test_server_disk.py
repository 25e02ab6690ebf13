"""A server whose disk is full to the last byte. Only where a disk can be mounted.

`tests/story/test_full_disk.py` has the same promises on a machine without a disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from ci.server.check import check_folder
from tests.real.harness import Program, Server, Site, wait_until
from tests.real.repository import Repository
from tests.real.small_disk import SmallDisk, open_small_disk

MB: Final = 1 << 20
PAGE: Final = {"Accept": "text/html"}
SOON_MS: Final = 10_000  # a refresh each two seconds, on a loaded machine
TALK: Final = "cat text; until [ -e {go} ]; do sleep 0.05; done; cat text; echo done"
TEXT: Final = Random(5).randbytes(MB // 2).hex().encode()  # 1 MB that is not the same anywhere


@pytest.fixture(params=[1024, 4 * MB], ids=["to the last byte", "to the limit"])
def disk(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path, repository: Repository
) -> Iterator[SmallDisk]:
    """A small disk for a server's data, with an agent whose data is elsewhere."""
    (repository.path / "text").write_bytes(TEXT)
    repository.commit({"README.md": "A talkative project.\n"})
    with open_small_disk(tmp_path / "disk", 24 * MB) as disk:
        server = site.server(
            repository.path, data_dir=disk.folder / "server", min_free_bytes=request.param
        )
        server.start()
        site.agent(server).start()
        server.wait_agents(1)
        yield disk
        server.kill()


@pytest.fixture
def server(site: Site, disk: SmallDisk) -> Server:
    """The server on that disk."""
    (server,) = (program for program in site.programs if isinstance(program, Server))
    return server


@pytest.fixture
def agent(site: Site, disk: SmallDisk) -> Program:
    """Its agent."""
    (agent,) = (program for program in site.programs if not isinstance(program, Server))
    return agent


def _refused(server: Server) -> bool:
    """Ask for a build that does not fit; say whether it was refused as it should be."""
    answer = server.post("/api/builds", {"commit": "main", "command": "true" + " " * 90_000})
    assert answer.status_code in (201, 503), answer.text
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
        assert "minFreeBytes" in answer.text or "free space" in answer.text
    return answer.status_code == 503


def test_nothing_is_lost_and_it_goes_on_by_itself(
    server: Server, agent: Program, disk: SmallDisk, tmp_path: Path
) -> None:
    """While it is full it says so everywhere; then every build ends with its whole log."""
    go = tmp_path / "go"
    running = server.submit(TALK.format(go=go))
    server.wait_log(running, TEXT)
    disk.fill()
    wait_until(lambda: _refused(server), "a build is refused")
    assert server.get("/healthz").status_code == 503
    page = server.site.http.get(server.url + "/", headers=PAGE)
    assert page.status_code == 200
    assert 'class="trouble"' in page.text
    go.touch()
    wait_until(
        lambda: "server unreachable" in agent.words and "answered 503" in agent.words,
        "the agent is told to wait",
    )
    assert server.build(running)["status"] == "running"

    disk.clear()
    wait_until(lambda: server.get("/healthz").status_code, "health", until=lambda code: code == 200)
    after = server.submit("echo again")
    for number, log in ((running, TEXT * 2 + b"done\n"), (after, b"again\n")):
        # The agent may wait up to 30 s before it asks again.
        build = server.wait_build(number, within_s=60)
        assert (build["status"], len(build["attempts"])) == ("success", 1)
        assert server.log_of(number) == log
    assert server.stop() == 0
    assert check_folder(server.data) == 0


def test_open_pages_are_told_above_the_form(
    server: Server, disk: SmallDisk, browser: Browser
) -> None:
    """Whoever presses Run has read it, and what was typed stays, also when it is refused."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        page.fill("#command", "half written")
        banner = page.locator("#trouble p")
        expect(banner).to_have_count(0)
        disk.fill()
        wait_until(lambda: _refused(server), "a build is refused")
        expect(banner).to_have_count(1, timeout=SOON_MS)
        form = page.get_by_role("form", name="New build").bounding_box()
        shown = banner.bounding_box()
        assert form is not None
        assert shown is not None
        assert shown["y"] + shown["height"] <= form["y"]
        assert page.input_value("#command") == "half written"
        with page.expect_response("**/builds") as refused:
            page.get_by_role("button", name="Run").click()
        assert refused.value.status == 503
        assert page.input_value("#command") == "half written"
        disk.clear()
        expect(banner).to_have_count(0, timeout=SOON_MS)
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#build")).to_contain_text("half written")


def test_killed_while_it_is_full(server: Server, disk: SmallDisk, tmp_path: Path) -> None:
    """Its next start, with room, has all that was answered."""
    number = server.submit(TALK.format(go=tmp_path / "go"))
    server.wait_log(number, TEXT)
    disk.fill()
    wait_until(lambda: _refused(server), "a build is refused")
    (tmp_path / "go").touch()
    server.kill()
    disk.clear()
    server.start()
    assert server.wait_build(number, within_s=60)["status"] == "success"
    assert server.log_of(number) == TEXT * 2 + b"done\n"
    assert server.stop() == 0
    assert check_folder(server.data) == 0
