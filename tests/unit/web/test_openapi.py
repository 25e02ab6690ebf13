"""The API's document: it has all calls and no others, and what it says of them is true."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest

from ci.config import ServerConfig
from ci.gate import Gate
from ci.model import AgentState, Reason, Status
from ci.people import Role
from ci.web.access import NEEDS
from ci.web.app import create_app
from ci.web.openapi import document_of
from tests.fakes.asgi import AppTransport
from tests.fakes.core import FakeCore

APP = create_app(FakeCore(ServerConfig.check({})), 4 << 20)
DOCUMENT = document_of(APP)
CALLS = {
    (method.upper(), path): said
    for path, methods in DOCUMENT["paths"].items()
    for method, said in methods.items()
}
NEW = {"commit": "main", "command": "make test"}


def check(schema: dict[str, Any], value: Any) -> None:
    """Fail unless a value is as a schema of the document says."""
    whole = schema | {"components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def whole_reply(said: dict[str, Any], status: int) -> dict[str, Any]:
    """Return what the document says of an answer, there or where that refers to."""
    reply: dict[str, Any] = said["responses"][str(status)]
    shared = DOCUMENT["components"]["responses"]
    return shared[reply["$ref"].rpartition("/")[2]] if "$ref" in reply else reply


def check_answer(said: dict[str, Any], answer: httpx.Response) -> None:
    """Fail unless an answer is one that the document tells of."""
    reply = whole_reply(said, answer.status_code)
    [(media, content)] = reply["content"].items()
    assert answer.headers["Content-Type"].partition(";")[0] == media
    if "schema" in content:
        check(content["schema"], answer.json())
    assert all(name in answer.headers for name in reply.get("headers", ()))


def test_the_document_has_every_call_and_no_other() -> None:
    """As the routes are, under one name each."""
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in APP.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(CALLS) == routes
    names = [said["operationId"] for said in CALLS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_call_is_told_whole(call: tuple[str, str]) -> None:
    """What it does, what each parameter means, who may, and what is refused."""
    said = CALLS[call]
    assert said["summary"].endswith(".")
    assert all(one["description"] and one["schema"] for one in said["parameters"])
    in_path = {one["name"] for one in said["parameters"] if one["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", call[1]))
    name = said["operationId"].removesuffix("_by_name")
    role = NEEDS[f"api.{name}"]
    assert (
        said.get("security")
        == {
            None: None,
            Role.VIEWER: [{"token": ["viewer"]}, {}],
            Role.RUNNER: [{"token": ["runner"]}],
            Role.ADMIN: [{"token": ["admin"]}],
        }[role]
    )
    assert {"401", "403", "503"} <= set(said["responses"]) or role is None
    assert {"400", "421", "431", "500", "501"} <= set(said["responses"])


def _contents() -> list[tuple[str, dict[str, Any]]]:
    shared = DOCUMENT["components"]["responses"]
    found = [
        (name, content)
        for name, one in shared.items()
        for content in one.get("content", {}).values()
    ]
    for (method, path), said in CALLS.items():
        replies = [*said["responses"].values(), said.get("requestBody", {})]
        contents = (each for reply in replies for each in reply.get("content", {}).values())
        found += [(f"{method} {path}", each) for each in contents if "schema" in each]
    return found


@pytest.mark.parametrize(("call", "content"), _contents())
def test_examples_are_right(call: str, content: dict[str, Any]) -> None:
    """Each body and each answer has one, and it is as its schema says."""
    examples = [one["value"] for one in content["examples"].values()]
    assert examples, call
    for example in examples:
        check(content["schema"], example)


def test_every_field_is_told() -> None:
    """In words; of the bodies as well."""
    schemas = DOCUMENT["components"]["schemas"]
    assert {"Build", "Attempt", "Agent", "NewBuild", "Error"} <= set(schemas)
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, said in schema.get("properties", {}).items()
        if not said.get("description")
    ]
    assert not silent


async def _ask_for_secrets(core: FakeCore, ask: Callable[..., Awaitable[None]]) -> None:
    await ask("GET", "/api/agents", 200)
    core.safe.generations["oak"] = 1
    secret = {"name": "DEPLOY_KEY", "value": "correct horse", "branches": ["main"]}
    await ask("POST", "/api/secrets", 200, secret)
    await ask("POST", "/api/secrets", 422, secret | {"value": "short"})
    await ask("GET", "/api/secrets", 200)
    await ask("POST", "/api/secrets/trust", 200, {"agent": "oak", "trusted": True})
    await ask("POST", "/api/secrets/trust", 404, {"agent": "ash", "trusted": True})
    named = {"repository": "https://example.org/demo.git", "name": "DEPLOY_KEY"}
    await ask("POST", "/api/secrets/remove", 200, named)
    await ask("POST", "/api/secrets/remove", 404, named)


async def test_real_answers_are_as_the_document_says(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """Of each call, good ones and refusals."""
    seen: set[tuple[str, str]] = set()

    async def ask(method: str, path: str, status: int, body: Any = None, **filled: object) -> None:
        query = path.partition("?")[0]
        said = CALLS[method, query]
        address = path.format(**filled)
        answer = await client.request(method, address, json=body)
        assert answer.status_code == status, answer.text
        check_answer(said, answer)
        seen.add((method, query))

    core.add_agent("oak", labels=("linux",))
    core.add_agent("elm", state=AgentState.LOST)
    await ask("GET", "/api/builds", 200)
    for _ in range(3):
        await ask("POST", "/api/builds", 201, NEW | {"labels": ["linux"], "priority": 3})
    await ask("POST", "/api/builds", 422, {"commit": "main"})
    await ask("POST", "/api/builds", 413, NEW | {"command": "x" * (1 << 20)})
    core.print(core.start(1), b"hello\n")
    core.describe(1, author="Ann")
    core.end(1, Status.FAILURE, Reason.EXITED, exit_code=2)
    core.start(2)
    await ask("GET", "/api/builds?limit=1", 200)
    await ask("GET", "/api/builds?limit=0", 422)
    for number in (1, 2, 3):
        await ask("GET", "/api/builds/{number}", 200, number=number)
        await ask("GET", "/api/builds/{number}/why", 200, number=number)
        await ask("GET", "/api/builds/{number}/log", 200, number=number)
    await ask("GET", "/api/builds/{number}", 404, number=99)
    await ask("GET", "/api/builds/{number}/log", 404, number=99)
    await ask("POST", "/api/builds/{number}/front", 200, number=3)
    await ask("POST", "/api/builds/{number}/cancel", 200, number=3)
    await ask("POST", "/api/builds/{number}/cancel", 409, number=1)
    await ask("POST", "/api/builds/{number}/front", 409, number=1)
    await ask("POST", "/api/builds/{number}/rerun", 201, number=1)
    await ask("POST", "/api/builds/{number}/rerun?exact=7", 422, number=1)
    await _ask_for_secrets(core, ask)
    for change in ("pause", "resume", "revoke", "readmit"):
        await ask("POST", f"/api/agents/{change}", 200, {"name": "oak"})
        await ask("POST", f"/api/agents/{change}", 422)
        await ask("POST", f"/api/agents/{{name}}/{change}", 200, name="oak")
        await ask("POST", f"/api/agents/{{name}}/{change}", 404, name="ash")
    await ask("POST", "/api/agents/forget", 409, {"name": "oak"})
    await ask("POST", "/api/agents/{name}/forget", 200, name="elm")
    await ask("GET", "/api/policy", 200)
    await ask("GET", "/api/policy?command=make", 200)
    await ask("GET", "/metrics", 200)
    await ask("GET", "/healthz", 200)
    core.healthy = False
    await ask("GET", "/healthz", 503)
    core.full = True
    await ask("POST", "/api/builds", 503, NEW)
    await ask("GET", "/api/openapi.json", 200)
    assert seen == set(CALLS)


async def test_a_range_is_answered_as_the_document_says(
    client: httpx.AsyncClient, core: FakeCore
) -> None:
    """A part, and nothing new yet."""
    await client.post("/api/builds", json=NEW)
    core.print(core.start(1), b"hello\n")
    said = CALLS["GET", "/api/builds/{number}/log"]
    for begin, status in ((2, 206), (6, 416)):
        answer = await client.get("/api/builds/1/log", headers={"Range": f"bytes={begin}-"})
        assert answer.status_code == status
        check_answer(said, answer)


def _bounded() -> list[tuple[str, str, str, int]]:
    return [
        (call[1], one["name"], key, one["schema"][key])
        for call, said in CALLS.items()
        for one in said["parameters"]
        for key in ("minimum", "maximum", "maxLength")
        if one["in"] == "query" and key in one["schema"]
    ]


@pytest.mark.parametrize(("path", "name", "key", "bound"), _bounded())
async def test_the_bounds_are_those_of_the_server(
    client: httpx.AsyncClient, path: str, name: str, key: str, bound: int
) -> None:
    """The last value that is taken, and the first that is not."""
    await client.post("/api/builds", json=NEW)
    address = path.replace("{number}", "1")
    beyond = bound - 1 if key == "minimum" else bound + 1
    values = ("x" * bound, "x" * beyond) if key == "maxLength" else (str(bound), str(beyond))
    method = "GET" if ("GET", path) in CALLS else "POST"
    taken, refused = [
        await client.request(method, address, params={name: value}) for value in values
    ]
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == name
    # It may be refused for what it names: there is no such repository, or no commit was found.
    assert taken.text != refused.text


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
async def test_a_wrong_host_is_answered_as_the_document_says(call: tuple[str, str]) -> None:
    """Whatever is asked: the gate in front knows no calls."""
    gate: Any = Gate(APP, frozenset())
    transport = AppTransport(gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for host, status in (("elsewhere.example.org", 421), ("a b", 400)):
            answer = await client.request(call[0], "/", headers={"Host": host})
            assert answer.status_code == status
            check_answer(CALLS[call], answer)


async def test_the_page_tells_each_call(client: httpx.AsyncClient) -> None:
    """With all that the document has, for people."""
    answer = await client.get("/api", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    for (method, path), said in CALLS.items():
        assert f"{method} {path}" in answer.text
        assert f'id="{said["operationId"]}"' in answer.text
    for name in DOCUMENT["components"]["schemas"]:
        assert f'id="type-{name}"' in answer.text
    assert "integer, from 1, to 500, 50 if absent" in answer.text
    assert answer.text.count("421 Misdirected Request") == 1
