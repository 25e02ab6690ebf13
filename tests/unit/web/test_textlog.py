"""A build in a terminal: what runs, its log while it is written, its verdict."""

from __future__ import annotations

import httpx
import pytest

from ci.model import Reason, Status
from tests.fakes.core import FakeCore
from tests.unit.web.checks import ask

RED = b"\x1b[31mred\n"


async def text(client: httpx.AsyncClient, query: str = "") -> str:
    """All of it, up to its end."""
    answer = await client.get(f"/build/1.txt{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.text


async def test_a_build_that_has_ended_is_shown_whole(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Head, log, verdict; with the log's own colours, which end before our words."""
    await ask(client, command="make all")
    core.print(core.start(1), RED)
    core.describe(1, commit_hash="5c8e", subject="Mend \x1b[2Jit")
    core.end(1, Status.FAILURE, exit_code=2)
    assert (await text(client, "?color=0")).splitlines() == [
        "#1 https://example.org/demo.git: make all",
        "main (5c8e Mend  [2Jit)",
        "failure",
        "attempt 1 on oak",
        "",
        "red",
        "",
        "Failure · The command failed with exit code 2. · 0.0 s",
    ]
    coloured = await text(client)
    assert "\x1b[31mred\n\x1b[0m\n\x1b[31m\x1b[1mFailure" in coloured
    assert coloured.endswith("0.0 s\x1b[0m\n")


async def test_the_verdict_names_the_limit_that_a_build_met(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """In the words of its agent, as the page has it."""
    await ask(client)
    core.start(1)
    core.end(1, Status.FAILURE, Reason.TIMEOUT, message="It took longer than 5 s and was ended.")
    verdict = (await text(client, "?color=0")).splitlines()[-1]
    assert verdict == "Failure · It took longer than 5 s and was ended. · 0.0 s"


async def test_it_follows_to_the_end_over_attempts(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """From the line on: it waits, runs, is lost, runs again; each byte once and in order."""
    await ask(client)
    core.meanwhile = [
        lambda: core.start(1),
        lambda: core.print("1.1.1", b"begun, "),
        lambda: core.print("1.1.1", b"then more"),
        lambda: core.lose(1),
        lambda: core.start(1, "elm"),
        lambda: core.print("1.1.2", b"again\n"),
        lambda: core.print("1.1.2", b"done"),
        lambda: core.end(1, Status.SUCCESS),
    ]
    assert (await text(client, "?color=0")).splitlines()[2:] == [
        "waiting: It waits for a free slot.",
        "attempt 1 on oak",
        "",
        "begun, then more",
        "The agent stopped answering.",
        "attempt 2 on elm",
        "",
        "again",
        "done",
        "",
        "Success · 0.0 s",
    ]
    assert core.meanwhile == []


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_canceled_build_is_followed_to_the_end_of_its_log(
    client: httpx.AsyncClient, core: FakeCore, arrived: bool
) -> None:
    """However long that takes; and it is said when the end did not come."""
    await ask(client)
    core.print(core.start(1), b"one\n")
    await core.cancel(1)
    core.meanwhile = [
        lambda: None,
        lambda: None,
        lambda: core.print("1.1.1", b"the end\n"),
        lambda: core.close_log(1, arrived=arrived),
    ]
    assert (await text(client, "?color=0")).splitlines()[4:] == [
        "",
        "one",
        "",
        "It was canceled. The end of its log is on its way.",
        "",
        "the end",
        "",
        *([] if arrived else ["The end of the log did not arrive."]),
        "Canceled · It was canceled. · 0.0 s",
    ]
    assert core.meanwhile == []


async def test_it_ends_when_nothing_more_is_to_be_expected(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A canceled build that never ran; a server that stops; a build that is removed."""
    await ask(client)
    core.stops = True
    assert (await text(client, "?color=0")).endswith(
        "The server stops; ask again when it is back.\n"
    )
    core.stops = False
    core.end(1, Status.CANCELED, Reason.CANCELED)
    assert (await text(client, "?color=0")).endswith("\nCanceled · It was canceled.\n")
    await ask(client)
    core.meanwhile = [lambda: core.remove(2)]
    answer = await client.get("/build/2.txt?color=0")
    assert answer.text.endswith("\nThis build was removed meanwhile.\n")


async def test_only_what_exists_is_answered(client: httpx.AsyncClient) -> None:
    """And only in words that mean something."""
    assert (await client.get("/build/1.txt")).status_code == 404
    await ask(client)
    assert (await client.get("/build/1.txt?color=red")).status_code == 422
    answer = await client.head("/build/1.txt")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("ended", [False, True])
async def test_the_json_twin_is_what_the_api_says(
    client: httpx.AsyncClient, core: FakeCore, ended: bool
) -> None:
    """One can get from a page to its data by hand."""
    await ask(client)
    core.start(1)
    if ended:
        core.end(1, Status.SUCCESS, exit_code=0)
    twin, api = await client.get("/build/1.json"), await client.get("/api/builds/1")
    assert (twin.json(), twin.headers["Content-Type"]) == (api.json(), "application/json")
    assert (await client.get("/build/2.json")).status_code == 404
