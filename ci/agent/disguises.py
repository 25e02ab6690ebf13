"""In which forms a secret may stand in what a command prints. Pure.

Tools do not only print a value as it is: they quote it for a shell or for JSON, put it into an URL,
or into base64 with something before and behind it. What a build does to it on purpose, such as to
write it backwards, is in none of these forms.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from ci.secretrules import MIN_VALUE_CHARS

# A shorter form would blot out what is no secret. Every form of a whole value is at least as long.
MIN_FORM_BYTES: Final = MIN_VALUE_CHARS
_WRAPS: Final = (64, 76)  # characters in a line of base64: as openssl and PEM have it, as base64
_BASE64_STEP: Final = 3  # bytes that become 4 characters
_BY_JAVASCRIPT: Final = "!~*'()"  # what `encodeURIComponent` leaves as it is


def disguises(value: str) -> frozenset[bytes]:
    """Return all forms of a secret that are looked for, each at least MIN_FORM_BYTES long."""
    whole = {*_texts(value), *_base64(value.encode())}
    lines = {form for line in value.splitlines() for form in _texts(line.strip())}
    return frozenset(form for form in whole | lines if len(form) >= MIN_FORM_BYTES)


def _texts(value: str) -> Iterator[bytes]:
    """Yield a value as it is, and as it is quoted."""
    yield value.encode()
    yield value.replace("\n", "\r\n").encode()  # what a terminal makes of it
    for ascii_only in (False, True):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1].encode()
    yield shlex.quote(value).removeprefix("'").removesuffix("'").encode()
    yield value.replace("'", r"'\''").encode()
    for quoted in (
        quote(value),
        quote(value, safe=""),
        quote(value, safe=_BY_JAVASCRIPT),
        quote_plus(value),
    ):
        yield quoted.encode()
        yield _lower_hex(quoted).encode()


def _lower_hex(quoted: str) -> str:
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _base64(value: bytes) -> Iterator[bytes]:
    """Yield what stands in base64 wherever the value lies in what was encoded.

    A character at either end also has bits of what is beside the value there: it is left out.
    """
    for before in range(_BASE64_STEP):
        encoded = base64.b64encode(bytes(before) + value).rstrip(b"=")
        begin = before + 1 if before else 0
        end = len(encoded) - (1 if (before + len(value)) % _BASE64_STEP else 0)
        yield from _both_alphabets(encoded[begin:end])
        if not before:  # the value alone: its lines are known as well
            for width in _WRAPS:
                for at in range(0, end, width):
                    yield from _both_alphabets(encoded[at : min(at + width, end)])


def _both_alphabets(encoded: bytes) -> Iterator[bytes]:
    yield encoded
    yield encoded.translate(bytes.maketrans(b"+/", b"-_"))
