"""Signatures: each part of a request and of its answer is held fast, and no secret is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errors import Unauthorized
from ci.wire.signature import (
    DIGEST,
    INPUT,
    SIGNATURE,
    TOKEN_KEY,
    Key,
    Signed,
    credential_key,
    read_signed,
)

OAK = credential_key("nca_b2Fr.0123")
TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
WORD = st.from_regex(r"[A-Za-z0-9_-]{0,30}", fullmatch=True)
REQUEST: dict[str, Any] = {
    "method": "POST",
    "target": "/notify_build_log?id=7.1.1&offset=0",
    "body": b"hello",
    "nonce": "n1",
}


def signed(headers: dict[str, str]) -> Signed:
    """Read what must be there."""
    found = read_signed(headers)
    assert found is not None
    return found


def is_taken(headers: dict[str, str], key: Key = OAK, **changed: Any) -> bool:
    """Whether a server takes a request that was changed on the way."""
    said = REQUEST | changed
    try:
        found = signed(headers)
        found.check_body(said["body"])
    except Unauthorized:
        return False
    return found.is_by(key, said["method"], said["target"])


def test_the_example_in_the_protocol_is_true() -> None:
    """Whoever writes an agent of his own compares his code with it."""
    headers = OAK.sign_request(**REQUEST)
    assert headers == {
        "Content-Digest": "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
        "Signature-Input": 'sig=("@method" "@request-target" "content-digest");nonce="n1";'
        'keyid="nca_b2Fr";alg="hmac-sha256"',
        "Signature": "sig=:dXEjhSLfQJETs0PwaNysGFCyrqxEaIfLfqTgwBDmFNA=:",
    }
    answer = OAK.sign_answer(headers[SIGNATURE], 200, b'{"size": 5}', "n2")
    assert answer[SIGNATURE] == "sig=:5y3VFdesgoJsXBRWRwLVizE/9wm4G5G7uNKdRmydkvQ=:"


@given(method=st.sampled_from(["POST", "GET"]), target=TEXT, body=st.binary(), nonce=WORD)
def test_the_holder_of_the_key_is_believed(
    method: str, target: str, body: bytes, nonce: str
) -> None:
    """And so is the answer to him. The secret is in neither."""
    headers = OAK.sign_request(method, target, body, nonce)
    assert is_taken(headers, method=method, target=target, body=body)
    assert signed(headers).nonce == nonce
    assert signed(headers).key_id == "nca_b2Fr"
    answer = OAK.sign_answer(headers[SIGNATURE], 200, body, "next")
    assert OAK.read_answer(headers[SIGNATURE], 200, answer, body) == "next"
    assert OAK.secret not in f"{headers} {answer} {OAK}"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "method": st.sampled_from(["PUT", "post"]),
            "target": TEXT,
            "body": st.binary(),
        },
    ).filter(lambda changed: any(REQUEST[name] != value for name, value in changed.items()))
)
def test_a_request_with_any_part_changed_is_refused(changed: dict[str, Any]) -> None:
    """Method, path, query and body: what was heard is good for nothing else."""
    assert not is_taken(OAK.sign_request(**REQUEST), **changed)


@given(
    name=st.sampled_from([DIGEST, INPUT, SIGNATURE]), at=st.integers(0, 400), sign=st.characters()
)
def test_a_head_with_any_letter_changed_is_refused(name: str, at: int, sign: str) -> None:
    """The nonce and the name of the key among them."""
    headers = OAK.sign_request(**REQUEST)
    old = headers[name]
    at %= len(old)
    headers[name] = old[:at] + sign + old[at + 1 :]
    assert is_taken(headers) == (sign == old[at])


@pytest.mark.parametrize("name", [DIGEST, SIGNATURE])
def test_a_head_without_a_part_is_refused(name: str) -> None:
    """Only one without any says nothing at all."""
    headers = OAK.sign_request(**REQUEST)
    del headers[name]
    assert not is_taken(headers)
    assert read_signed({name: "x"}) is None


@pytest.mark.parametrize(
    "said",
    [
        "",
        'sig=();nonce="";keyid="nca_b2Fr";alg="hmac-sha256"',
        'sig=("@method" "content-digest");nonce="";keyid="nca_b2Fr";alg="hmac-sha256"',
        'sig=("@method" "@request-target");nonce="";keyid="nca_b2Fr";alg="hmac-sha256"',
        'sig=("@method" "@request-target" "content-digest");keyid="nca_b2Fr";alg="hmac-sha256"',
        'sig=("@method" "@request-target" "content-digest");nonce="";keyid="nca_b2Fr";alg="none"',
    ],
)
def test_what_covers_less_is_refused_by_its_field(said: str) -> None:
    """Whoever signs tells what is signed, but what must be is ours to say."""
    with pytest.raises(Unauthorized) as caught:
        read_signed({INPUT: said, SIGNATURE: OAK.sign_request(**REQUEST)[SIGNATURE]})
    assert caught.value.field == INPUT


@pytest.mark.parametrize(
    "key", [Key("nca_b2Fr", "nca_b2Fr.4567"), Key(TOKEN_KEY, "nca_b2Fr.4567"), Key("nca_b2Fr", "")]
)
def test_nobody_else_proves_anything(key: Key) -> None:
    """Neither a request nor an answer."""
    headers = OAK.sign_request(**REQUEST)
    assert not is_taken(headers, key)
    answer = key.sign_answer(headers[SIGNATURE], 200, b"", "n2")
    assert OAK.read_answer(headers[SIGNATURE], 200, answer, b"") is None


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=20),
    other=st.booleans(),
    nonce=st.sampled_from(["n2", "n3"]),
)
def test_an_answer_with_any_part_changed_proves_nothing(
    status: int, body: bytes, other: bool, nonce: str
) -> None:
    """Nor does the answer to another request."""
    headers = OAK.sign_request(**REQUEST)
    answer = OAK.sign_answer(headers[SIGNATURE], 200, b"", "n2")
    if other:
        headers = OAK.sign_request(**REQUEST | {"nonce": "n0"})
    answer[INPUT] = answer[INPUT].replace("n2", nonce)
    is_same = (status, body, other, nonce) == (200, b"", False, "n2")
    assert OAK.read_answer(headers[SIGNATURE], status, answer, body) == ("n2" if is_same else None)


def test_a_request_proves_no_answer() -> None:
    """Who listens can't send back what he was sent."""
    headers = OAK.sign_request(**REQUEST)
    assert OAK.read_answer(headers[SIGNATURE], 200, headers, REQUEST["body"]) is None
    mixed = headers | {INPUT: OAK.sign_answer(headers[SIGNATURE], 200, b"hello", "n2")[INPUT]}
    assert OAK.read_answer(headers[SIGNATURE], 200, mixed, REQUEST["body"]) is None
