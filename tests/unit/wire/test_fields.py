"""Reading JSON: what can't be read is refused in a sentence that names the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices

from ci.errors import Rejected, TooLarge
from ci.wire.fields import Message, read
from ci.wire.job import Job, read_job
from ci.wire.registration import AttemptState, Registration, read_registration
from ci.wire.result import Result, read_result
from ci.wire.status import AgentStatus, read_cancel, read_status

Read = Callable[[bytes], object]
READERS: list[Read] = [
    read_job,
    read_result,
    read_cancel,
    lambda body: read_registration(body, "127.0.0.1"),
]

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        *("id", "buildId", "commit", "command", "repository", "number", "build", "env"),
        *("timeout_s", "status", "success", "log", "stdout", "exit_code", "signal", "reason"),
        *("log_size", "log_sha256", "duration_s", "message", "task"),
        *("host", "port", "slots", "labels", "attempts"),
    ]
)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[]", "the body must be one JSON object"),
        (b"null", "the body must be one JSON object"),
        (b'"x"', "the body must be one JSON object"),
        (b"[" * 10_000, "the body is not JSON"),
    ],
)
def test_a_body_that_is_no_object_is_refused(read: Read, body: bytes, said: str) -> None:
    """In words, without a field to blame."""
    with pytest.raises(Rejected) as error:
        read(body)
    assert error.value.message.startswith(said)
    assert error.value.field is None


@pytest.mark.parametrize("read", [read_job, read_cancel])
def test_what_to_run_must_be_proper_text(read: Read) -> None:
    """A command is not run with another letter in the place of one that can't be read."""
    with pytest.raises(Rejected, match="not JSON"):
        read(b'{"id": "\xff", "repository": "/r", "commit": "main", "command": "true"}')


@given(st.sampled_from(READERS), st.dictionaries(FIELDS, JSON_VALUES, max_size=8))
def test_whatever_a_body_holds_it_is_read_or_refused(read: Read, values: dict[str, object]) -> None:
    """Bad input is a 4xx that names the field on one line, never another error."""
    problem = None
    try:
        read(json.dumps(values).encode())
    except Rejected as error:
        problem = error
    if problem is not None:
        assert problem.field
        assert problem.message.splitlines() == [problem.message]


def test_a_key_from_outside_is_shown_on_one_line() -> None:
    """A variable's name is part of the place of a mistake, and anybody may choose it."""
    body: dict[str, Any] = {
        "id": "1",
        "repository": "r",
        "commit": "c",
        "command": "x",
        "protocol": 1,
    }
    body["env"] = {"a\nb" * 99: [1]}
    with pytest.raises(Rejected) as error:
        read_job(json.dumps(body).encode())
    assert str(error.value.field).startswith("env.")
    assert error.value.message.isprintable()
    assert len(error.value.message) < 250


@given(st.binary(max_size=60))
def test_an_answer_that_cant_be_read_still_means_alive(body: bytes) -> None:
    """Any HTTP answer at all counts, so an unreadable status is an empty one."""
    assert read_status(body).attempts in (None, ())


@pytest.mark.parametrize(
    "many",
    [
        b"[]," * 500_000,
        b'"",' * 600_000,
        b'""' * 1_100_000,
        b'{"a":1},' * 200_000,
        b" " * 1_100_000,
    ],
    ids=["lists", "texts", "texts without commas", "objects", "spaces"],
)
@pytest.mark.parametrize("begin", [b"[", b'{"id":"1.1.1","status":"success","log":['])
def test_millions_of_values_are_refused_before_they_are_read(begin: bytes, many: bytes) -> None:
    """They would be gigabytes of objects."""
    with pytest.raises(TooLarge):
        read(Result, begin + many)


@pytest.mark.parametrize("end", [b"", b"\\"])
def test_a_text_that_does_not_end_is_looked_at_once(end: bytes) -> None:
    """Not once more for each quote in it, which takes minutes."""
    with pytest.raises(Rejected):
        read(Result, b'{"log": "' + b'\\"' * 2_000_000 + end)


@pytest.mark.parametrize("log", ["x" * (4 << 20), '\\"\\\\,[{' * (1 << 19), "é" * (2 << 20), ""])
def test_a_long_log_is_no_structure(log: str) -> None:
    """Whatever stands in it."""
    body = b'{"id": "1.1.1", "status": "success", "log": "' + log.encode() + b'"}'
    assert read(Result, body).log == json.loads(f'"{log}"')


@pytest.mark.parametrize("model", [Registration, Result, AgentStatus, Job, AttemptState])
def test_null_is_as_if_nothing_had_been_said(model: type[Message]) -> None:
    """In every field that may be absent, by every name of it."""
    whole = {"id": "1.1.1", "status": "success", "repository": "/x", "commit": "a", "command": "b"}
    plain = read(model, json.dumps(whole).encode())
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [name]
        for spelling in {each for each in choices if isinstance(each, str)} - set(whole):
            said = {spelling: None} | whole
            assert read(model, json.dumps(said).encode()) == plain, spelling
