"""In which forms a secret may stand in what a command prints. Pure.

Tools do not only print a value as it is: they quote it for a shell, for JSON or for a page, put it
into an URL, or into base64 with something before and behind it. What a build does to it on purpose,
such as to write it backwards, is in none of these forms.

Ends of lines are in none of them, since tools put some in where a line gets too long for them.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from ci.secretrules import MIN_VALUE_CHARS

LINE_ENDS: Final = b"\r\n"
# A shorter form would blot out what is no secret. Every form of a whole value is at least as long.
MIN_FORM_BYTES: Final = MIN_VALUE_CHARS
_WRAPS: Final = (64, 76)  # characters in a line of base64: as openssl and PEM have it, as base64
_BASE64_STEP: Final = 3  # bytes that become 4 characters
_BY_JAVASCRIPT: Final = "!~*'()"  # what `encodeURIComponent` leaves as it is
# What stands for " and ' in HTML and XML, as the libraries of various languages write it.
_HTML_QUOTES: Final = (
    *(('"', "'"), ("&quot;", "'"), ("&quot;", "&#x27;"), ("&quot;", "&#39;")),
    *(("&quot;", "&apos;"), ("&#34;", "&#39;")),
)
_BASH_SPECIAL: Final = re.compile(r"""[\s!"$&'()*,;<>?\[\\\]^`{|}]""")  # `printf %q` escapes these
_BASH_IN_QUOTES: Final = re.compile(r'["$\\`]')  # and `declare -p` these
_C_ESCAPES: Final = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\t": r"\t"}


def disguises(value: str) -> frozenset[bytes]:
    """Return all forms of a secret that are looked for, each at least MIN_FORM_BYTES long."""
    forms = {*_texts(value), *_encoded(value.encode())}
    for line in value.splitlines():
        forms.update(_texts(line.strip()))
    joined = (form.translate(None, LINE_ENDS) for form in forms)
    return frozenset(form for form in joined if len(form) >= MIN_FORM_BYTES)


def _texts(value: str) -> Iterator[bytes]:
    """Yield a value as it is, and as it is quoted."""
    for way in (_plain, _in_json, _in_shells, _in_python, _in_html, _in_urls):
        for form in way(value):
            yield form.encode()


def _plain(value: str) -> Iterator[str]:
    yield value
    yield value.replace("'", "''")  # YAML, SQL


def _in_json(value: str) -> Iterator[str]:
    """Yield it as a part of a text of JSON, and of JSON that is a text of JSON itself."""
    for ascii_only in (False, True):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        by_go = once.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
        for form in {once, by_go, once.replace("/", r"\/")}:  # the last one by PHP
            yield form
            yield json.dumps(form, ensure_ascii=ascii_only)[1:-1]


def _in_shells(value: str) -> Iterator[str]:
    yield shlex.quote(value).removeprefix("'").removesuffix("'")
    yield value.replace("'", r"'\''")
    yield _BASH_SPECIAL.sub(r"\\\g<0>", value)
    yield _BASH_IN_QUOTES.sub(r"\\\g<0>", value)
    in_c = "".join(_C_ESCAPES.get(char, char) for char in value)  # $'…', if it has such characters
    yield in_c
    yield "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in in_c.encode())


def _in_python(value: str) -> Iterator[str]:
    """Yield what `repr` makes of a text that it is part of, `ascii`, and `repr` of its bytes."""
    both_quotes = "'\""  # then it escapes the first of them
    for text in (repr(both_quotes + value), ascii(both_quotes + value)):
        yield text[4:-1]
        yield text[4:-1].replace(r"\'", "'")
    yield repr(both_quotes.encode() + value.encode())[5:-1]


def _in_html(value: str) -> Iterator[str]:
    for double, single in _HTML_QUOTES:
        yield html.escape(value, quote=False).replace('"', double).replace("'", single)


def _in_urls(value: str) -> Iterator[str]:
    for quoted in (
        quote(value),
        quote(value, safe=""),
        quote(value, safe=_BY_JAVASCRIPT),
        quote_plus(value),
    ):
        yield quoted
        yield _lower_hex(quoted)


def _lower_hex(quoted: str) -> str:
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _encoded(value: bytes) -> Iterator[bytes]:
    """Yield it in hexadecimal, and what stands in base64 wherever it lies in what was encoded.

    A character at either end also has bits of what is beside the value there: it is left out.
    """
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for before in range(_BASE64_STEP):
        encoded = base64.b64encode(bytes(before) + value).rstrip(b"=")
        begin = before + 1 if before else 0
        end = len(encoded) - (1 if (before + len(value)) % _BASE64_STEP else 0)
        yield from _both_alphabets(encoded[begin:end])
        if not before:  # the value alone: each line is known, also where something is before it
            for width in _WRAPS:
                for at in range(0, end, width):
                    yield from _both_alphabets(encoded[at : min(at + width, end)])


def _both_alphabets(encoded: bytes) -> Iterator[bytes]:
    yield encoded
    yield encoded.translate(bytes.maketrans(b"+/", b"-_"))
