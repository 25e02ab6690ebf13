"""`POST /notify_agent` in every spelling that is known."""

from __future__ import annotations

import json

import pytest

from ci.errors import Rejected
from ci.wire.registration import Registration, read_registration, read_welcome, write_welcome

PEER = "192.0.2.9"
NO_NAMES = (" ", ".", "..", "/", "a/b", " a", "a ", "\xa0", "a\x00", "\u202ea", "e\u0301", "\u2028")


def _read(**values: object) -> Registration:
    return read_registration(json.dumps(values).encode(), PEER)


@pytest.mark.parametrize(
    ("values", "host", "port"),
    [
        ({"host": "10.0.0.7", "port": 8081}, "10.0.0.7", 8081),
        ({"host": "10.0.0.7", "port": "8081"}, "10.0.0.7", 8081),
        ({"hostname": "box.example.org", "port": 1}, "box.example.org", 1),
        ({"port": 65535}, PEER, 65535),
        ({"host": "", "port": 9}, PEER, 9),
        ({"host": None, "port": 9}, PEER, 9),
        ({"host": "http://10.0.0.7", "port": 8081}, "10.0.0.7", 8081),
        ({"host": "http://10.0.0.7:8081"}, "10.0.0.7", 8081),
        ({"url": "http://10.0.0.7:8081/"}, "10.0.0.7", 8081),
        ({"host": "10.0.0.7:8081"}, "10.0.0.7", 8081),
        ({"host": "http://10.0.0.7:1", "port": 2}, "10.0.0.7", 2),
        ({"host": "::1", "port": 9}, "::1", 9),
        ({"url": "http://[::1]:9"}, "::1", 9),
        ({"host": " 10.0.0.7 ", "port": 9}, "10.0.0.7", 9),
        ({"host": "[::1]", "port": 9}, "::1", 9),
        ({"host": "[fe80::1]:9"}, "fe80::1", 9),
        ({"host": "build_box-7.example.org.", "port": 9}, "build_box-7.example.org.", 9),
    ],
)
def test_an_agent_is_found_however_it_says_where_it_is(
    values: dict[str, object], host: str, port: int
) -> None:
    """With a scheme, as an URL, as text, or as nothing but a port: then the caller is meant."""
    said = _read(**values)
    assert (said.host, said.port) == (host, port)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "port"),
        ({"host": "10.0.0.7"}, "port"),
        ({"host": "10.0.0.7", "port": 0}, "port"),
        ({"host": "10.0.0.7", "port": 65536}, "port"),
        ({"host": "10.0.0.7", "port": True}, "port"),
        ({"host": "10.0.0.7", "port": "x"}, "port"),
        ({"host": "10.0.0.7", "port": 80.5}, "port"),
        ({"host": "a b", "port": 1}, "host"),
        ({"host": "../x", "port": 1}, "host"),
        ({"host": "http://", "port": 1}, "host"),
        ({"host": "http://x:99999"}, "host"),
        ({"host": "a@b", "port": 1}, "host"),
        ({"host": "x/y?z", "port": 1}, "host"),
        ({"host": "a\x00", "port": 1}, "host"),
        ({"host": 5, "port": 1}, "host"),
        ({"host": "10.0.0.7\r\n", "port": 1}, "host"),
        ({"host": "\t10.0.0.7", "port": 1}, "host"),
        ({"host": "http://10.0.0.7\r\nX: y:80/"}, "host"),
        ({"host": "http://10.0.\n0.7:80"}, "host"),
        ({"host": "a@b:80"}, "host"),
        ({"host": "http://a:b@c:80"}, "host"),
        ({"host": "x/y:80"}, "host"),
        ({"host": "x\\y", "port": 1}, "host"),
        ({"host": "[::1", "port": 1}, "host"),
        ({"host": "fe80::1%eth0", "port": 1}, "host"),
        ({"host": "x" * 1001, "port": 1}, "host"),
        ({"port": 1, "slots": 0}, "slots"),
        ({"port": 1, "slots": 10_000}, "slots"),
        ({"port": 1, "name": "a\nb"}, "name"),
        ({"port": 1, "name": "x" * 101}, "name"),
        *(({"port": 1, "name": name}, "name") for name in NO_NAMES),
        ({"port": 1, "labels": "linux"}, "labels"),
        ({"port": 1, "labels": ["x"] * 51}, "labels"),
        ({"port": 1, "labels": ["a\x1b[31m"]}, "labels.0"),
        ({"port": 1, "version": "1\r\n2"}, "version"),
        ({"port": 1, "home_id": "a\x00"}, "home_id"),
        ({"port": 1, "attempts": [{"state": "running"}]}, "attempts.0.id"),
        ({"port": 1, "attempts": [{"id": "1.1.1", "log_size": -1}]}, "attempts.0.log_size"),
    ],
)
def test_a_wrong_field_is_named(values: dict[str, object], field: str) -> None:
    """The server would dial this address and show this name."""
    with pytest.raises(Rejected) as error:
        _read(**values)
    assert error.value.field == field


def test_an_agent_of_this_project_says_what_it_runs() -> None:
    """After a restart of either side both know what goes on."""
    said = _read(
        port=1,
        name="big",
        slots=4,
        labels=["linux"],
        protocol=1,
        attempts=[{"id": "7.1.2", "state": "running", "log_size": 10, "new": "field"}],
    )
    assert said.shown_name == "big"
    assert said.labels == ("linux",)
    assert [(a.id, a.state, a.log_size) for a in said.attempts] == [("7.1.2", "running", 10)]


def test_an_agent_of_others_is_named_by_its_address() -> None:
    """It has one slot, no labels and protocol 0."""
    said = _read(host="10.0.0.7", port=8081, available=True, agentId="x")
    assert (said.shown_name, said.slots, said.labels) == ("10.0.0.7:8081", 1, ())
    assert said.protocol == 0


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_no_wrong_name(name: str | None) -> None:
    """Programs write it in many ways."""
    assert _read(host="::1", port=9, name=name).shown_name == "::1:9"


@pytest.mark.parametrize(
    "name", ["a", "x" * 100, "Käse 7", "名前", "...", "a.b", "\\", "%2e", "😀", "-"]
)
def test_a_name_is_any_word_that_one_can_read(name: str) -> None:
    """In any language."""
    assert _read(port=9, name=name).shown_name == name


def test_a_welcome_reads_back() -> None:
    """The agent learns how often it is asked and what it may keep."""
    body = write_welcome("big", 2.5, {"1.1.1": True, "2.1.1": False})
    welcome = read_welcome(json.dumps(body).encode())
    assert (welcome.agent, welcome.heartbeat_s) == ("big", 2.5)
    assert welcome.attempts == {"1.1.1": "keep", "2.1.1": "drop"}
    assert welcome.protocol > 0


@pytest.mark.parametrize("field", ["ok", "status", "message", "agentId", "id"])
def test_agents_of_others_find_what_they_read(field: str) -> None:
    """In the answer to their registration."""
    assert write_welcome("big", 5, {})[field]


@pytest.mark.parametrize(
    ("body", "agent_id"),
    [
        (b"", ""),
        (b"{}", ""),
        (b'{"ok": true}', ""),
        (b'{"agentId": "a7"}', "a7"),
        (b'{"id": "a8"}', "a8"),
        (b'{"id": 17}', 17),
        (b'{"agentId": 0}', 0),
        (b'{"id": 17, "agent": {"port": 1}, "attempts": 3, "heartbeat_s": null}', 17),
        (b'{"id": {"$oid": "5f"}, "agent": 3}', ""),
        (b'{"id": true}', ""),
        (b"agent-17\n", "agent-17"),
        (b'"agent-17"', "agent-17"),
        (b"17", 17),
        (b"OK", ""),
        (b"Agent registered", ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"[17]", ""),
        (b"null", ""),
        (b"x" * 1000, ""),
    ],
)
def test_a_server_of_others_may_answer_less(body: bytes, agent_id: int | str) -> None:
    """It is told apart by its protocol, 0. A word alone is an id; one that says yes is none."""
    welcome = read_welcome(body)
    assert (welcome.agent_id, welcome.protocol, welcome.attempts) == (agent_id, 0, {})
