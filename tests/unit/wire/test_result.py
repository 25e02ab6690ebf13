"""`POST /notify_build_result` in every spelling that is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errors import Rejected
from ci.escapes import plain_text
from ci.model import CommitInfo, Outcome, Reason, Status
from ci.wire.result import Dialect, Result, is_result, read_result, write_result

HASH = "a" * 64
GOOD = Status.SUCCESS
BAD = Status.FAILURE


def _read(**values: object) -> Result:
    return read_result(json.dumps({"id": "7.1.1", **values}).encode())


VERDICTS: list[tuple[dict[str, object], Status]] = [
    ({"success": True}, GOOD),
    ({"success": False}, BAD),
    # `success` wins over whatever else is said.
    ({"success": True, "status": 1}, GOOD),
    ({"success": False, "status": "Success", "exitCode": 0}, BAD),
    ({"task": {"success": True}}, GOOD),
    ({"task": {"success": False}, "status": "ok"}, BAD),
    # A bool.
    ({"success": "Success"}, GOOD),
    ({"success": "1"}, GOOD),
    ({"success": "Failed"}, BAD),
    ({"success": 0}, BAD),
    ({"status": True}, GOOD),
    ({"status": False}, BAD),
    # A word, in any case.
    ({"status": "Success"}, GOOD),
    ({"status": "SUCCESS"}, GOOD),
    ({"status": "success"}, GOOD),
    ({"status": " ok "}, GOOD),
    ({"status": "OK"}, GOOD),
    ({"status": "true"}, GOOD),
    ({"status": "Fail"}, BAD),
    ({"status": "Failed"}, BAD),
    ({"status": "failure"}, BAD),
    ({"status": "error"}, BAD),
    ({"status": "canceled"}, BAD),
    ({"status": ""}, BAD),
    ({"status": "whatever"}, BAD),
    # An exit code, as a number or as text.
    ({"status": 0}, GOOD),
    ({"status": "0"}, GOOD),
    ({"status": 1}, BAD),
    ({"status": "1"}, BAD),
    ({"status": -9}, BAD),
    ({"status": 137}, BAD),
    # Its other names, at the top and inside.
    ({"buildStatus": 0}, GOOD),
    ({"buildStatus": "Fail"}, BAD),
    ({"code": 0}, GOOD),
    ({"code": 2}, BAD),
    ({"exitCode": 0}, GOOD),
    ({"exitCode": "2"}, BAD),
    ({"exit_code": 0}, GOOD),
    ({"state": "success"}, GOOD),
    ({"state": "failed"}, BAD),
    ({"task": {"status": "Success"}}, GOOD),
    ({"task": {"status": "Fail"}}, BAD),
    ({"data": {"status": 0}}, GOOD),
    ({"data": {"exitCode": 1}}, BAD),
    ({"build": {"buildStatus": "Success"}}, GOOD),
    ({"build": {"buildStatus": "Fail"}}, BAD),
]


@pytest.mark.parametrize(("values", "status"), VERDICTS)
def test_the_verdict_is_read_by_its_type(values: dict[str, object], status: Status) -> None:
    """A bool, a word or an exit code: all three families are in use."""
    outcome = _read(**values).outcome()
    assert outcome.status is status
    assert outcome.reason is Reason.EXITED


@pytest.mark.parametrize("values", [{}, {"log": "x"}, {"status": None}, {"success": None}])
def test_a_result_without_a_verdict_is_refused(values: dict[str, object]) -> None:
    """Nothing is guessed."""
    with pytest.raises(Rejected, match=r"^status: is missing$"):
        _read(**values).outcome()


@pytest.mark.parametrize(
    "body",
    [
        {"id": "b-1"},
        {"buildId": "b-1"},
        {"task": {"buildId": "b-1"}},
        {"data": {"buildId": "b-1"}},
        {"build": {"id": "b-1"}},
    ],
)
def test_the_id_is_found(body: dict[str, object]) -> None:
    """At the top or inside."""
    assert read_result(json.dumps(body | {"success": True}).encode()).id == "b-1"


def test_the_id_may_be_a_number() -> None:
    """It comes back as it was sent, or as a number."""
    assert read_result(b'{"buildId": 12, "success": true}').id == "12"


@pytest.mark.parametrize(
    ("values", "output"),
    [
        ({"log": "a"}, b"a"),
        ({"buildLog": "a"}, b"a"),
        ({"output": "a"}, b"a"),
        ({"logs": "a"}, b"a"),
        ({"stdout": "a", "stderr": "b"}, b"ab"),
        ({"stdout": "a"}, b"a"),
        ({"stderr": "b", "stdout": None}, b"b"),
        ({"log": "a", "stdout": "b", "stderr": "c"}, b"a"),
        ({"log": None, "stdout": "b"}, b"b"),
        ({"log": None}, None),
        ({}, None),
        ({"log": ""}, b""),
        ({"log": "ä\x1b[0m\n"}, "ä\x1b[0m\n".encode()),
        ({"log": {"a": 1}}, b'{"a": 1}'),
        ({"logs": ["a", "b\n"]}, b"a\nb\n"),
        ({"log": 12}, b"12"),
    ],
)
def test_the_output_is_found(values: dict[str, object], output: bytes | None) -> None:
    """One text, or standard output and then standard error; null is none."""
    assert _read(success=True, **values).inline_log == output


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"exit_code": 3, "status": "failure"}, 3),
        ({"exitCode": 3}, 3),
        ({"status": 3}, 3),
        ({"status": True}, None),
        ({"status": "Fail"}, None),
        ({"status": "Fail", "exitCode": 3}, 3),
        ({"success": False, "exitCode": "3"}, 3),
        ({"status": "3"}, 3),
        ({"status": 1 << 40}, None),
    ],
)
def test_an_exit_code_is_shown_where_there_is_one(
    values: dict[str, object], code: int | None
) -> None:
    """A bool is no exit code."""
    assert _read(**values).outcome().exit_code == code


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": ["x"]}, "id"),
        ({"success": "maybe"}, "success"),
        ({"status": {"a": 1}}, "status"),
        ({"status": 1.5}, "status"),
    ],
)
def test_a_wrong_field_is_named(values: dict[str, object], field: str) -> None:
    """Bad input changes nothing."""
    with pytest.raises(Rejected) as error:
        _read(**{"success": True, **values}).outcome()
    assert error.value.field is not None
    assert error.value.field.split(".")[0] == field


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"exit_code": "x"}, "exit_code"),
        ({"exit_code": 1 << 31}, "exit_code"),
        ({"signal": True}, "signal"),
        ({"reason": "bored"}, "reason"),
        ({"duration_s": -1}, "duration_s"),
        ({"log_size": -1}, "log_size"),
        ({"log_size": 1 << 62}, "log_size"),
        ({"log_sha256": "xyz"}, "log_sha256"),
        ({"message": "x" * 10_001}, "message"),
        ({"commit_hash": "a\x00"}, "commit_hash"),
    ],
)
def test_a_field_of_ours_must_be_right_from_us_alone(values: dict[str, object], field: str) -> None:
    """By the same name others say other things: a verdict is not lost for that."""
    assert getattr(_read(success=True, **values), field) == getattr(_read(success=True), field)
    with pytest.raises(Rejected) as error:
        _read(protocol=1, success=True, **values)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("body", "log"),
    [
        (rb'{"id": 1, "success": true, "log": "a\ud83d b"}', b"a? b"),
        (b'{"id": 1, "success": true, "log": "a\xff b"}', "a\ufffd b".encode()),
        (b'\xef\xbb\xbf{"id": 1, "success": true, "log": "a"}', b"a"),
    ],
)
def test_an_output_that_is_no_proper_text_loses_no_verdict(body: bytes, log: bytes) -> None:
    """Bytes of a command as they came, half a character, a mark of the byte order in front."""
    result = read_result(body)
    assert (result.outcome().status, result.inline_log) == (GOOD, log)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"id": 1, "success": false, "host": "a", "port": 1}', True),
        (b'{"host": "a", "port": 1}', False),
        (b'{"id": "a", "port": 1}', False),
        (b'{"status": "free", "port": 1}', False),
        (b"", False),
    ],
)
def test_a_result_is_told_from_a_registration(body: bytes, told: bool) -> None:
    """By the verdict on a build that it names."""
    assert is_result(body) is told


@pytest.mark.parametrize(
    ("dialect", "good", "bad"),
    [
        (Dialect.WORDS, "Success", "Fail"),
        (Dialect.BOOL, True, False),
        (Dialect.CODE, 0, 1),
    ],
)
def test_servers_of_others_read_the_status_in_their_dialect(
    dialect: Dialect, good: object, bad: object
) -> None:
    """Also of a build that has no exit code; what they make of it is what it was."""
    for status, said in ((GOOD, good), (BAD, bad), (Status.ERROR, bad)):
        code = 0 if status is GOOD else None
        outcome = Outcome(status, Reason.EXITED, exit_code=code)
        body = write_result("7", outcome, "", HASH, native=False, dialect=dialect)
        assert body["status"] == body["buildStatus"] == said
        assert body["success"] is (status is GOOD)
        assert body["exitCode"] == int(status is not GOOD)


OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from([Status.SUCCESS, Status.FAILURE]),
    reason=st.just(Reason.EXITED),
    message=st.text(st.characters(codec="utf-8"), max_size=50),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    duration_s=st.none() | st.floats(0, 10**6),
    checkout_s=st.none() | st.floats(0, 10**6),
    log_size=st.none() | st.integers(0, 2**40),
    commit=st.none() | st.builds(CommitInfo, st.just("f" * 40), subject=st.just("Fix it")),
)
ERRORS = st.builds(
    Outcome,
    status=st.just(Status.ERROR),
    reason=st.sampled_from([r for r in Reason if r is not Reason.EXITED]),
    message=st.just("a sentence"),
)


@given(OUTCOMES | ERRORS, st.none() | st.text(st.characters(codec="utf-8")), st.booleans())
def test_a_result_that_was_written_is_read_unchanged(
    outcome: Outcome, log: str | None, native: bool
) -> None:
    """Whether it goes to a server of this project or to one of others."""
    body = write_result("7.1.2", outcome, log, HASH, native=native)
    result = read_result(json.dumps(body).encode())
    assert result.id == "7.1.2"
    assert result.log_sha256 == HASH
    code = outcome.exit_code
    if code is None and not native:
        code = int(outcome.status is not GOOD)  # none could be taken for 0
    said = replace(outcome, message=plain_text(outcome.message), exit_code=code)
    assert result.outcome() == said
    if native:
        assert result.inline_log == (None if log is None else log.encode())
    else:
        assert result.inline_log == (log or "").encode()


@pytest.mark.parametrize(
    ("status", "success"), [(Status.SUCCESS, True), (Status.FAILURE, False), (Status.ERROR, False)]
)
def test_servers_of_others_find_their_spelling(status: Status, success: bool) -> None:
    """Every spelling is there, and the duration is in milliseconds."""
    outcome = Outcome(status, Reason.EXITED, exit_code=0 if success else 1, duration_s=1.2344)
    body: dict[str, Any] = write_result("7", outcome, "hello", HASH, native=False)
    assert body["id"] == body["buildId"] == "7"
    assert body["success"] is success
    assert body["status"] == body["buildStatus"] == ("Success" if success else "Fail")
    assert body["log"] == body["buildLog"] == body["stdout"] == "hello"
    assert body["stderr"] == ""
    assert body["duration"] == 1234


def test_a_small_result_stays_small() -> None:
    """Our own server gets each thing once."""
    outcome = Outcome(Status.SUCCESS, Reason.EXITED)
    body = write_result("7", outcome, None, HASH, native=True)
    assert not {"buildId", "success", "log", "buildLog", "stdout"} & set(body)
