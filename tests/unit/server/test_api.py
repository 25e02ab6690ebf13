"""The routes for agents: right input is taken in every spelling, wrong input changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from ci.config import ServerConfig
from ci.model import Status
from ci.server.assembly import open_server
from ci.server.core import Server
from ci.server.run import create_server_app
from ci.wire.result import LOG_MARK_ROOM, MAX_LOG_CHUNK
from tests.fakes.asgi import AppTransport
from tests.fakes.network import Network

TOKEN = "secret-token"
OURS = b'{"protocol":1,"id":"1.1.1","status":"ok",'
AGENT = {"host": "agent", "port": 9001, "name": "one", "protocol": 1, "home_id": "h"}


class Setting:
    """A server with a token, a client that has it, and one attempt that is running."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Send a request with the token."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, content=content, headers=headers, **more)

    async def snapshot(self) -> str:
        """Everything that a request might have changed."""
        view = await self.server.build(1)
        agents = [each.agent.name for each in await self.server.agents()]
        return f"{view.build} {view.attempts} {agents} {await self.server.log(1)}"


@pytest.fixture
async def setting(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Setting]:
    """Build 1 is held by an agent that never answers, so nothing else happens."""
    config = ServerConfig.check(
        {
            "repository": "/srv/demo",
            "dataDir": str(tmp_path),
            "agentToken": TOKEN,
            "maxBodyBytes": 3 << 20,
            "maxLogBytes": 64 << 10,
            "hostNames": ["server"],
            "commands": "any",
        }
    )
    network = Network()
    async with network.client() as http, open_server(config, http) as server:
        app: Any = create_server_app(server)
        transport = AppTransport(app, client=("10.9.8.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            here = Setting(server, client)
            assert (await here.post("/notify_agent", AGENT)).status_code == 200
            await server.submit(repository=None, commit="main", command="true")
            assert await server._store.lease("one") is not None
            yield here


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("dash", ["_", "-"])
async def test_both_spellings_of_every_path(setting: Setting, prefix: str, dash: str) -> None:
    """With `_` and `-`, with and without `/api` in front."""

    def path(name: str) -> str:
        return prefix + name.replace("_", dash)

    answer = await setting.post(path("/notify_agent"), AGENT)
    assert answer.status_code == 200
    assert answer.json()["agent"] == answer.json()["agentId"] == "one"
    answer = await setting.post(path("/notify_build_log") + "?id=1.1.1&offset=0", b"hello\n")
    assert answer.json() == {"size": 6}
    answer = await setting.post(path("/notify_build_result"), {"buildId": "1.1.1", "success": True})
    assert answer.status_code == 200
    assert (await setting.server.build(1)).build.status is Status.SUCCESS


async def test_an_agent_without_a_host_is_where_it_calls_from(setting: Setting) -> None:
    """`host` may be missing; the caller's address is meant."""
    answer = await setting.post("/notify-agent", {"port": "7777"})
    assert answer.json()["agent"] == "10.9.8.7:7777"


async def test_who_is_no_trusted_proxy_is_not_believed_for_whom_it_asks(setting: Setting) -> None:
    """Anybody can write that header."""
    forwarded = {"X-Forwarded-For": "203.0.113.1, 10.1.2.3"}
    answer = await setting.post("/notify_agent", {"port": 7777}, headers=forwarded)
    assert answer.json()["agent"] == "10.9.8.7:7777"


async def test_one_path_for_both(setting: Setting) -> None:
    """An agent of others tells by it that it is there, and how a build ended."""
    answer = await setting.post("/notify-agent-build", {"host": "0.0.0.0", "port": 7777})
    assert answer.json()["agent"] == "10.9.8.7:7777"
    answer = await setting.post("/notify-agent-build", {"buildId": "1.1.1", "success": False})
    assert answer.status_code == 200
    assert (await setting.server.build(1)).build.status is Status.FAILURE


async def test_stdout_and_stderr_of_the_specification(setting: Setting) -> None:
    """A client that knows only the specification's fields has its output shown."""
    body = {"id": "1.1.1", "status": 2, "stdout": "out\n", "stderr": "err\n"}
    assert (await setting.post("/notify_build_result", body)).status_code == 200
    view = await setting.server.build(1)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 2)
    assert await setting.server.read_log("1.1.1", 0, 100) == b"out\nerr\n"


async def test_log_pieces_by_offset(setting: Setting) -> None:
    """A gap is refused with the size to go on from, an overlap is forgiven, gzip is undone."""
    path = "/notify_build_log?id=1.1.1&offset="
    assert (await setting.post(path + "0", b"abc")).json() == {"size": 3}
    gap = await setting.post(path + "5", b"fgh")
    assert (gap.status_code, gap.json()["size"]) == (409, 3)
    assert (await setting.post(path + "1", b"bcde")).json() == {"size": 5}
    zipped = await setting.post(
        path + "5", gzip.compress(b"fgh"), headers={"Content-Encoding": "gzip"}
    )
    assert zipped.json() == {"size": 8}
    assert await setting.server.read_log("1.1.1", 0, 100) == b"abcdefgh"


async def test_a_result_waits_for_its_whole_log(setting: Setting) -> None:
    """409 with the size while bytes are missing; bytes that are not the sender's go again."""
    await setting.post("/notify_build_log?id=1.1.1&offset=0", b"abc")
    result = {"id": "1.1.1", "status": "success", "log_size": 5}
    answer = await setting.post("/notify_build_result", result)
    assert (answer.status_code, answer.json()["size"]) == (409, 3)
    wrong = {"id": "1.1.1", "status": "success", "log_size": 3, "log_sha256": "0" * 64}
    answer = await setting.post("/notify_build_result", wrong)
    assert (answer.status_code, answer.json()["size"]) == (409, 0)
    assert (await setting.server.build(1)).build.status is Status.RUNNING


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
async def test_without_the_token_nothing_is_heard(setting: Setting, header: str) -> None:
    """401 on every route."""
    before = await setting.snapshot()
    for path in ("/notify_agent", "/notify_build_log?id=1.1.1&offset=0", "/notify_build_result"):
        answer = await setting.client.post(
            path, content=b'{"id":"1.1.1","success":true}', headers={"Authorization": header}
        )
        assert answer.status_code == 401
        assert TOKEN not in answer.text
    assert await setting.snapshot() == before


BAD: list[tuple[str, bytes, int, str | None]] = [
    ("/notify_agent", b"", 422, None),
    ("/notify_agent", b"[]", 422, None),
    ("/notify_agent", b"{", 422, None),
    ("/notify_agent", b"\xff\xfe", 422, None),
    ("/notify_agent", b"[" * 100_000, 422, None),
    ("/notify_agent", b'{"host":"h"}', 422, "port"),
    ("/notify_agent", b'{"host":"h","port":0}', 422, "port"),
    ("/notify_agent", b'{"host":"h","port":70000}', 422, "port"),
    ("/notify_agent", b'{"host":"h","port":true}', 422, "port"),
    ("/notify_agent", b'{"host":"h","port":1e99}', 422, "port"),
    ("/notify_agent", b'{"host":"a b","port":1}', 422, "host"),
    ("/notify_agent", b'{"host":"h/../x","port":1}', 422, "host"),
    ("/notify_agent", b'{"host":"-x","port":1}', 422, "host"),
    ("/notify_agent", b'{"host":5,"port":1}', 422, "host"),
    ("/notify_agent", b'{"host":"http://[::1","port":1}', 422, "host"),
    ("/notify_agent", b'{"host":"h","port":1,"name":"a\\u0000b"}', 422, "name"),
    ("/notify_agent", b'{"host":"h","port":1,"name":"' + b"n" * 101 + b'"}', 422, "name"),
    ("/notify_agent", b'{"host":"h","port":1,"slots":-1}', 422, "slots"),
    ("/notify_agent", b'{"host":"h","port":1,"slots":1000000}', 422, "slots"),
    ("/notify_agent", b'{"host":"h","port":1,"labels":"x"}', 422, "labels"),
    ("/notify_build_log", b"x", 422, "offset"),
    ("/notify_build_log?id=1.1.1&offset=-1", b"x", 422, "offset"),
    ("/notify_build_log?id=1.1.1&offset=1.5", b"x", 422, "offset"),
    ("/notify_build_log?id=1.1.1&offset=%D9%A1", b"x", 422, "offset"),
    ("/notify_build_log?id=1.1.1&offset=" + "9" * 30, b"x", 422, "offset"),
    ("/notify_build_log?offset=0", b"x", 410, "id"),
    ("/notify_build_log?id=7.1.1&offset=0", b"x", 410, "id"),
    ("/notify_build_log?id=1.1.2&offset=0", b"x", 410, "id"),
    ("/notify_build_log?id=../../etc&offset=0", b"x", 410, "id"),
    ("/notify_build_log?id=1.1.1%00&offset=0", b"x", 410, "id"),
    ("/notify_build_log?id=1.1.1&offset=0", b"x" * (MAX_LOG_CHUNK + 1), 413, "body"),
    ("/notify_build_result", b"null", 422, None),
    ("/notify_build_result", b'{"status":"success"}', 422, "id"),
    ("/notify_build_result", b'{"id":"1.1.1"}', 422, "status"),
    ("/notify_build_result", b'{"id":"1.1.1","status":{}}', 422, "status"),
    ("/notify_build_result", OURS + b'"reason":"because"}', 422, "reason"),
    ("/notify_build_result", OURS + b'"exit_code":1e20}', 422, "exit_code"),
    ("/notify_build_result", OURS + b'"duration_s":-1}', 422, "duration_s"),
    ("/notify_build_result", OURS + b'"log_size":-5}', 422, "log_size"),
    ("/notify-agent-build", b'{"id":"1.1.1"}', 422, "port"),
    ("/notify_build_result", b'{"id":"2.1.1","status":"ok"}', 410, "id"),
    ("/notify_build_result", b'{"id":"x\\u0000","status":"ok"}', 422, "id"),
    ("/notify_build_result", b'{"id":"1.1.1","status":"ok","x":"' + b"y" * (3 << 20), 413, None),
]


@pytest.mark.parametrize(("path", "body", "status", "field"), BAD)
async def test_bad_input_is_named_and_changes_nothing(
    setting: Setting, path: str, body: bytes, status: int, field: str | None
) -> None:
    """A 4xx with the field, never a 5xx, and not a byte is different afterwards."""
    before = await setting.snapshot()
    answer = await setting.post(path, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"]
    assert await setting.snapshot() == before


async def test_gzip_that_lies(setting: Setting) -> None:
    """Neither a bomb, nor half a stream, nor something else is unpacked."""
    path = "/notify_build_log?id=1.1.1&offset=0"
    packed = gzip.compress(b"\0" * (64 << 20))
    for body, encoding, status in (
        (packed, "gzip", 413),
        (gzip.compress(b"hello")[:-4], "gzip", 422),
        (b"plain", "gzip", 422),
        (b"plain", "br", 422),
    ):
        answer = await setting.post(path, body, headers={"Content-Encoding": encoding})
        assert answer.status_code == status
    assert (await setting.server.log(1)).size == 0


async def test_a_name_is_taken_while_its_agent_is_online(setting: Setting) -> None:
    """Another agent of the same name is refused with a fix; the same one may move."""
    member = setting.server._fleet._members["one"]
    member.online = True
    answer = await setting.post("/notify_agent", AGENT | {"port": 9002, "home_id": "other"})
    assert answer.status_code == 409
    assert answer.json()["error"]["field"] == "name"
    assert (await setting.post("/notify_agent", AGENT | {"port": 9002})).status_code == 200
    assert (await setting.server.agents())[0].agent.port == 9002


async def test_a_log_is_taken_up_to_its_limit(setting: Setting) -> None:
    """And the words that say what is left out; of more, the answer names the size that is kept."""
    most = setting.server.config.max_log_bytes + LOG_MARK_ROOM
    path = "/notify_build_log?id=1.1.1&offset="
    assert (await setting.post(path + "0", b"x" * (most - 1))).json() == {"size": most - 1}
    over = await setting.post(f"{path}{most - 1}", b"yy")
    assert (over.status_code, over.json()["size"]) == (413, most - 1)
    assert (await setting.post(f"{path}{most - 1}", b"y")).json() == {"size": most}
    assert (await setting.post(f"{path}{most - 1}", b"y")).json() == {"size": most}
    gap = await setting.post(f"{path}{most + 5}", b"y")
    assert (gap.status_code, gap.json()["size"]) == (409, most)
