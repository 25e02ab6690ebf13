"""The client: every call over the real API, and what is raised when there is no answer."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from ci.answers.builds import Build
from ci.client import ApiRefused, Client, Wanted, open_client
from ci.client.client import PIECE_BYTES
from ci.errors import ConfigError, Unreachable
from ci.model import Reason, Status
from ci.web.app import create_app
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore

URL = "http://ci.test"


@pytest.fixture
def core() -> FakeCore:
    """A core with one repository and no builds."""
    return FakeCore()


def _dial(transport: httpx.AsyncBaseTransport, url: str, _: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, base_url=url)


@pytest.fixture
async def client(core: FakeCore) -> AsyncIterator[Client]:
    """A client of an app over the core of this test."""
    app: Any = create_app(core, 4 << 20)
    async with open_client(URL, dial=partial(_dial, AppTransport(app))) as client:
        yield client


@asynccontextmanager
async def answered(answer: Callable[[httpx.Request], httpx.Response]) -> AsyncIterator[Client]:
    """Open a client of something else that answers."""
    async with open_client(URL, dial=partial(_dial, httpx.MockTransport(answer))) as client:
        yield client


async def test_a_build_is_asked_for_shown_and_listed(client: Client, core: FakeCore) -> None:
    """As frozen objects, with times and words of the program."""
    build = await client.submit(commit="main", command="make", labels=("gpu", "a"), priority=3)
    assert (build.number, build.status, build.labels) == (1, Status.WAITING, ("a", "gpu"))
    assert build.created_at.tzinfo is not None
    core.print(core.start(1), b"abc")
    core.end(1, Status.FAILURE, Reason.EXITED, exit_code=2)
    shown = await client.build(1)
    assert (shown.status, shown.exit_code, shown.attempts[0].id) == (Status.FAILURE, 2, "1.1.1")
    assert (await client.builds(Wanted(status=Status.FAILURE, limit=5))).builds == (shown,)
    assert (await client.builds(Wanted(status=Status.SUCCESS))).builds == ()
    assert (await client.why_red(1)).number == 1


async def test_a_build_is_canceled_and_moved(client: Client) -> None:
    """The answer is what it is by then."""
    await client.submit(commit="main", command="make")
    assert (await client.move_to_front(1)).queue_position == 1
    assert (await client.cancel(1)).status is Status.CANCELED


async def test_a_refusal_has_the_servers_sentence(client: Client, core: FakeCore) -> None:
    """With its status and its field, and when to ask again."""
    with pytest.raises(ApiRefused, match="there is no build 7") as caught:
        await client.build(7)
    assert caught.value.status == 404
    with pytest.raises(ApiRefused, match="is not configured") as caught:
        await client.submit(commit="main", command="make", repository="elsewhere")
    assert (caught.value.status, caught.value.field) == (422, "repository")
    core.full = True
    with pytest.raises(ApiRefused) as caught:
        await client.submit(commit="main", command="make")
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5)


async def test_a_log_of_any_length_is_read(client: Client, core: FakeCore) -> None:
    """Piece by piece, and nothing when there is no more."""
    await client.submit(commit="main", command="make")
    id = core.start(1)
    data = bytes(range(256)) * (PIECE_BYTES // 256) + b"end"
    core.print(id, data)
    first = await client.read_log(1, id, 0)
    assert first + await client.read_log(1, id, len(first)) == data
    assert await client.read_log(1, id, len(data)) == b""


async def test_agents_are_listed_paused_and_resumed(client: Client, core: FakeCore) -> None:
    """Whatever they are called."""
    core.add_agent("oak/1 ?")
    [agent] = await client.pause_agent("oak/1 ?", "its disk")
    assert (agent.state, agent.pause_note) == ("paused", "its disk")
    [agent] = await client.resume_agent("oak/1 ?")
    assert agent == (await client.agents())[0]


async def test_health_is_told(client: Client, core: FakeCore) -> None:
    """Also when it is bad."""
    assert (await client.health()).ok
    core.healthy = False
    health = await client.health()
    assert not health.ok
    assert health.problems


async def test_a_build_is_followed_to_its_end(
    client: Client, core: FakeCore, autojump_clock: object
) -> None:
    """Each change, the log, and last of all how it ended, with nothing of the log after that."""
    await client.submit(commit="main", command="make")
    seen: list[object] = []
    steps: list[Callable[[], object]] = [
        lambda: core.print(core.start(1), b"hello "),
        lambda: core.print("1.1.1", b"world"),
        partial(core.end, 1, Status.SUCCESS, Reason.EXITED, exit_code=0),
    ]
    async for news in client.follow(1):
        seen.append(news.status if isinstance(news, Build) else news.data)
        if steps:
            steps.pop(0)()
    assert b"".join(one for one in seen if isinstance(one, bytes)) == b"hello world"
    assert seen[0] is Status.WAITING
    assert seen[-1] is Status.SUCCESS


async def test_a_build_is_followed_past_a_proxy(
    client: Client, core: FakeCore, autojump_clock: object
) -> None:
    """That does not reach the server two times of three: each byte is told once, in order."""
    page = httpx.Response(200, text="<html>We are back soon")
    proxy = itertools.cycle([httpx.Response(503, text="<html>"), page, None])
    app: Any = create_app(core, 4 << 20)
    behind = AppTransport(app)

    async def answer(request: httpx.Request) -> httpx.Response:
        return next(proxy) or await behind.handle_async_request(request)

    await client.submit(commit="main", command="make")
    id = core.start(1)
    core.print(id, b"one\n")
    log, ends = b"", []
    async with open_client(URL, dial=partial(_dial, httpx.MockTransport(answer))) as far:
        async for news in far.follow(1):
            if isinstance(news, Build):
                ends.append(news.status)
                continue
            assert news.offset == len(log)
            log += news.data
            if log == b"one\n":
                core.print(id, b"two\n")
                core.end(1, Status.SUCCESS, Reason.EXITED, exit_code=0)
    assert log == b"one\ntwo\n"
    assert ends == [Status.RUNNING, Status.SUCCESS]


async def test_a_build_is_followed_past_an_attempt_that_is_no_more(
    client: Client, core: FakeCore, autojump_clock: object
) -> None:
    """Its agent died before it took it: the build goes on, and so does the following."""
    gone = [{"field": "attempt", "message": "build 1 has no such attempt"}]
    app: Any = create_app(core, 4 << 20)
    behind = AppTransport(app)

    async def answer(request: httpx.Request) -> httpx.Response:
        if gone and request.url.path.endswith("/log"):
            return httpx.Response(404, json={"error": gone.pop()})
        return await behind.handle_async_request(request)

    await client.submit(commit="main", command="make")
    core.print(core.start(1), b"hello")
    core.end(1, Status.SUCCESS, Reason.EXITED, exit_code=0)
    async with open_client(URL, dial=partial(_dial, httpx.MockTransport(answer))) as far:
        ends = [news.status async for news in far.follow(1) if isinstance(news, Build)]
    assert not gone
    assert ends == [Status.SUCCESS]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(200, text="<html>"), "not one of this API"),
        (httpx.Response(200, json={"number": 1}), "not one of this API"),
        (httpx.Response(502, text="<html>"), "http://ci.test: it answered 502"),
        (httpx.Response(503, text="no server"), "it answered 503: no server"),
        (httpx.Response(404, text="page not found"), "it answered 404: page not found"),
    ],
)
async def test_an_answer_of_something_else_is_none(response: httpx.Response, words: str) -> None:
    """A proxy's, or that of another program: passing, perhaps."""
    async with answered(lambda _: response) as client:
        with pytest.raises(Unreachable, match=words):
            await client.build(1)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>We are back soon"),
        httpx.Response(200, content=b"the whole log"),
        httpx.Response(206, content=b"x", headers={"Content-Range": "bytes 0-0/9"}),
    ],
)
async def test_a_page_of_a_proxy_is_no_log(response: httpx.Response) -> None:
    """Nor is the whole log its end: a reader would have the beginning twice."""
    async with answered(lambda _: response) as client:
        with pytest.raises(Unreachable, match="something else than the log from byte 4 on"):
            await client.read_log(1, "1.1.1", 4)


@pytest.mark.parametrize(
    ("response", "waits_s"),
    [
        (httpx.Response(503, text="<html>", headers={"Retry-After": "7"}), 7),
        (httpx.Response(503, text="<html>", headers={"Retry-After": "9" * 400}), 300),
        (httpx.Response(429, text="slowly", headers={"Retry-After": "7"}), 7),
        (
            httpx.Response(
                503,
                json={"error": {"field": None, "message": "the disk is full"}},
                headers={"Retry-After": "10"},
            ),
            10,
        ),
    ],
)
async def test_not_now_is_asked_again(
    response: httpx.Response, waits_s: float, autojump_clock: object
) -> None:
    """When it was said when, then; whoever waits is told, and that it is over."""
    answers = [httpx.Response(200, json={"agents": []}), response, response]
    told: list[Unreachable | ApiRefused | None] = []
    async with answered(lambda _: answers.pop()) as client:
        begun = trio.current_time()
        assert await client.insist(client.agents, told.append) == ()
    assert trio.current_time() - begun == 2 * waits_s
    assert [one is None for one in told] == [False, False, True]


async def test_a_no_is_taken_for_one(client: Client, autojump_clock: object) -> None:
    """However often it were asked, there is no such build."""
    with pytest.raises(ApiRefused, match="there is no build 7"):
        await client.insist(partial(client.build, 7))


async def test_a_refusal_of_something_else_is_told(core: FakeCore) -> None:
    """In its words, if there are any."""
    async with answered(lambda _: httpx.Response(403, text="go away")) as client:
        with pytest.raises(ApiRefused, match="it answered 403: go away"):
            await client.build(1)
    assert core.queries == 0


async def test_the_token_is_shown() -> None:
    """With each request."""
    shown: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers["Authorization"])
        return httpx.Response(200, json={"agents": []})

    dial = partial(_dial, httpx.MockTransport(answer))
    async with open_client(URL, token="nci_x", dial=dial) as client:
        assert await client.agents() == ()
    assert shown == ["Bearer nci_x"]


async def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    """By the name that this setting has here."""
    file = tmp_path / "x.pem"
    file.write_text("x")
    with pytest.raises(ConfigError, match=r"^certificate = .*x\.pem"):
        async with open_client("https://ci.test", certificate=file):
            raise AssertionError("it was taken")
