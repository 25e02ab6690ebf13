"""Requests that nobody would send in good faith, made by hypothesis for any route there is.

The names of parameters and fields are read from the code, so that a new one is tried as well.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_from_bytes, unquote

import hypothesis.strategies as st
import trio
from pydantic import AliasChoices, AliasPath
from quart_trio import QuartTrio
from werkzeug.routing import Rule

import ci
from ci.wire import job, registration, result, status
from ci.wire.fields import Message

SOURCE: Final = Path(ci.__file__).parent
FOLLOWED: Final = ".txt"
LIMIT_S: Final = 600.0  # by the mock clock; longer than any time limit of the apps
MESSAGES: Final = (registration, result, status, job)

# Values that lead far into the code, and values at the edge of what it takes.
WORDS: Final = (
    "", "1", "2", "3", "0", "-1", "1.5", "1.1.1", "2.1.1", "9.1.1", "1.1.1.1", "main", "true",
    "echo hi", "agent", "agent-9001", "success", "failure", "waiting", "running", "log", "part",
    "list", "status", "exited", "ansi", "raw", "9" * 19, "9" * 400, "9223372036854775807",
    "9223372036854775808", "../../etc/passwd", "..", "a/b", "a\x00b", "\x00", "\r\nX: y", "é",
    "\ud800", "\u202e", "😀", "%2e%2e", "%00", "-x", "--upload-pack=sh", "/srv/git/demo", "1e400",
    "NaN", "null", "x" * 5000, "127.0.0.1", "::1", "agent:9001", "<b>", "'", '"', "{{7*7}}",
)  # fmt: skip
HEADERS: Final = {
    "Accept": ["text/html", "application/json", "*/*;q=x", ",", "text/html;q=0"],
    "Content-Type": [
        "application/json", "application/x-www-form-urlencoded", "text/plain; charset=none",
        "multipart/form-data", "multipart/form-data; boundary=x", "application/json; charset=\xff",
        "multipart/form-data; boundary=" + "x" * 3000, ";;;", "application/x-www-form-urlencoded;x",
    ],
    "Content-Encoding": ["gzip", "GZIP", "deflate", "identity", "gzip, gzip", "\xff"],
    "HX-Request": ["true", "false"],
    "Range": ["bytes=0-", "bytes=5-2", "bytes=-5", "bytes=99999999999999-", "bytes=0-1,3-4", "x"],
    "If-Range": ["x"],
    "If-None-Match": ["*", 'W/"x"', "x"],
    "If-Modified-Since": ["x", "Sun, 06 Nov 1994 08:49:37 GMT", "9" * 100],
    "Sec-Fetch-Site": ["same-origin", "cross-site", "none", "\xff"],
    "Origin": ["null", "http://server", "http://[", "x"],
    "Authorization": ["Bearer x", "Basic eDp5", "Basic \xff", "Bearer", "Digest a=b"],
    "Cookie": ["a=b; c", "=;=;", '"\\', "\xff=\xff"],
    "Host": ["server", "evil.example", "", "[", "server:99999", "\xff"],
    "Referer": ["http://server/", "\xff"],
    "X-Forwarded-For": ["1.2.3.4, x"],
    "X-HTTP-Method-Override": ["DELETE"],
    "Accept-Language": ["de-\xff;q=9"],
    "User-Agent": ["\xff"],
}  # fmt: skip
METHODS: Final = ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO")


def _query_names() -> list[str]:
    pattern = re.compile(r'(?:text|number|args\.get)\(\s*"(\w+)"')
    sources = [*(SOURCE / "web").glob("*.py"), SOURCE / "server" / "api.py"]
    return sorted({name for path in sources for name in pattern.findall(path.read_text())})


def _field_names() -> list[str]:
    found = {"repository", "commit", "command", "priority"}
    for module in MESSAGES:
        for model in vars(module).values():
            if not (isinstance(model, type) and issubclass(model, Message)):
                continue
            for name, field in model.model_fields.items():
                alias = field.validation_alias
                choices = alias.choices if isinstance(alias, AliasChoices) else [name]
                found |= {str(c.path[-1]) if isinstance(c, AliasPath) else c for c in choices}
    return sorted(found)


QUERY_NAMES: Final = _query_names()
FIELD_NAMES: Final = _field_names()

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=20))
numbers = st.one_of(
    st.integers(-2, 5),
    st.integers(),
    st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, 10**400]),
    st.floats(),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELD_NAMES), words), inner, max_size=4),
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(FIELD_NAMES), values, max_size=12)
# Near to what is taken, so that a part of the requests comes through, and others nearly: what the
# form and the API take, and what both ends of the wire do, who leave out what they do not know.
ASKED: Final = {"commit": "main", "command": "echo hi"}
TOLD: Final = {
    "host": "agent", "port": 9001, "name": "agent-9001", "id": "2.1.1", "status": "success",
    "exit_code": 0, "duration_s": 1, "log": "hi", "repository": "/srv/git/demo", "commit": "main",
    "command": "echo hi",
}  # fmt: skip
GOOD: Final[tuple[dict[str, Any], ...]] = (ASKED, TOLD, TOLD | {"id": "7.1.1"})
good = st.one_of(
    st.sampled_from(GOOD),
    st.builds(lambda base, other: base | other, st.sampled_from(GOOD), objects),
)
wrong = st.builds(
    lambda base, key, value: base | {key: value},
    st.sampled_from(GOOD), st.sampled_from(FIELD_NAMES), values,
)  # fmt: skip


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _as_form(value: dict[str, Any]) -> bytes:
    pairs = [f"{quote(key)}={quote(str(v), errors='replace')}" for key, v in value.items()]
    return "&".join(pairs).encode()


BODIES: Final = (
    b"", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b'"\\ud800"', b"1" * 10_000,
    b"--x\r\nContent-Disposition: form-data; name=commit\r\n\r\nmain\r\n--x--\r\n",
    b"--x\r\n" * 500, b"&" * 5000, b"a=%ff&commit=%00", gzip.compress(b"\0" * (8 << 20)),
    gzip.compress(b"hi"), gzip.compress(b"hi")[:-3], b"x" * (2 << 20),
    b'{"id":' + b"9" * 9000 + b"}",
)  # fmt: skip
bodies = st.one_of(
    st.builds(_as_json, good), st.builds(_as_json, wrong), st.builds(_as_json, values),
    st.builds(_as_form, good), st.builds(_as_form, wrong), st.sampled_from(BODIES), st.binary(),
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request to one of the routes that an app has."""

    route: int  # counted on and on over all routes
    method: str | None  # None: one that the route has
    parts: tuple[str, ...]  # what the path holds where the route has a parameter
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool  # False: its client leaves after half of the body


parts = st.one_of(st.sampled_from(["1", "2", "3", "agent-9001", "style.css"]), words)
pairs = st.tuples(st.one_of(st.sampled_from(QUERY_NAMES), words), words)
headers = st.sampled_from([(name, v) for name, options in HEADERS.items() for v in options])
requests = st.builds(
    Request,
    route=st.integers(0, 999),
    method=st.sampled_from([None] * 20 + list(METHODS)),
    parts=st.tuples(parts, parts),
    query=st.lists(pairs, max_size=3).map(tuple),
    headers=st.lists(headers, max_size=2).map(tuple),
    body=bodies,
    whole=st.sampled_from([True] * 15 + [False]),
)


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 when the client left before."""

    asked: str
    status: int
    headers: dict[str, str]
    body: bytes


def _fill(rule: Rule, parts: tuple[str, ...]) -> str:
    left = iter(parts)
    return re.sub(r"<[^>]+>", lambda _: quote(next(left), safe="/", errors="replace"), rule.rule)


async def ask(app: QuartTrio, request: Request) -> Answer:
    """Send a request as Hypercorn hands it to the app."""
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))
    rule = rules[request.route % len(rules)]
    method = request.method or min((rule.methods or set()) - {"HEAD", "OPTIONS"})
    path = _fill(rule, request.parts)
    query = "&".join(
        f"{quote(key, errors='replace')}={quote_from_bytes(value.encode(errors='replace'))}"
        for key, value in request.query
    )
    named = {name.lower() for name, _ in request.headers}
    given = [*request.headers, *([] if "host" in named else [("host", "server:8080")])]
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in given]
    sent.append((b"content-length", str(len(request.body)).encode()))
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "headers": sent, "client": ("127.0.0.1", 5), "server": None,
        "extensions": {}, "state": {},
    }  # fmt: skip
    begin, half = [], len(request.body) // 2
    if request.whole:
        begin.append({"type": "http.request", "body": request.body[half:], "more_body": False})
    else:
        begin.append({"type": "http.disconnect"})
    begin.append({"type": "http.request", "body": request.body[:half], "more_body": True})
    heard: list[Any] = []

    async def receive() -> Any:
        if not begin:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return begin.pop()

    async def send(message: Any) -> None:
        heard.append(message)

    # A build that does not end is followed as text for ever, so whoever asks for that leaves.
    follows = rule.rule.endswith(FOLLOWED)
    with trio.move_on_after(LIMIT_S) if follows else trio.fail_after(LIMIT_S):
        await app(scope, receive, send)
    asked = f"{method} {path[:200]}?{query[:200]} {request.body[:200]!r}"
    if not heard:
        return Answer(asked, 0, {}, b"")
    body = b"".join(message.get("body", b"") for message in heard[1:])
    told = {name.decode().lower(): value.decode() for name, value in heard[0]["headers"]}
    return Answer(asked, heard[0]["status"], told, body)
