"""Requests and answers end where HTTP/1.1 says that they end."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.torture.http_framing import Broken, read_answer, read_request

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\n" + CHUNKED,
    ],
)
def test_a_request_ends_where_the_next_one_begins(request_: bytes) -> None:
    """Whatever its body is framed by."""
    stream = BytesIO(request_ * 2)
    assert [read_request(stream), read_request(stream), read_request(stream)] == [
        request_,
        request_,
        None,
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + CHUNKED,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nall until the end",
    ],
)
def test_an_answer_ends(answer: bytes) -> None:
    """By its length, its chunks, its status, or with the connection."""
    assert read_answer(BytesIO(answer)) == answer


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(broken: bytes) -> None:
    """It never goes on to the client as if it were whole."""
    with pytest.raises(Broken):
        read_answer(BytesIO(broken))
