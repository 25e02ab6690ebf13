"""Secrets are masked in every usual form, and however the text is cut into pieces."""

from __future__ import annotations

import base64
import html
import json
import secrets
import shlex
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci.agent.disguises import LINE_ENDS, disguises
from ci.agent.masking import MASK, MAX_GAP_BYTES, Masks
from ci.secretrules import MAX_SECRETS, MAX_VALUE_BYTES

TOKEN = "s3cr?t/+ü'%\"42"
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"line {n} {'xyz' * 9}" for n in range(4)) + "\nend="

# Few letters, so that beginnings, overlaps and repetitions are everywhere.
VALUES = st.lists(
    st.text("ab\n", min_size=8, max_size=12).filter(
        lambda value: len(value.replace("\n", "")) >= 8
    ),
    min_size=1,
    max_size=3,
)


def naive(values: list[str], text: bytes) -> bytes:
    """Mask a whole text, letter by letter."""
    forms = [form for value in values for form in disguises(value)]
    places = [at for at, letter in enumerate(text) if letter not in LINE_ENDS]
    joined = bytes(text[place] for place in places)
    out, until, shown = b"", 0, 0
    for at, place in enumerate(places):
        spans = [places[at : at + len(form)] for form in forms if joined.startswith(form, at)]
        ends = [span[-1] + 1 for span in spans if all(b - a - 1 <= 2 for a, b in pairwise(span))]
        if ends and place >= until:
            out += text[shown:place] + MASK
        until = max([until, *ends])
        shown = max(shown, until)
    return out + text[shown:]


def in_pieces(masks: Masks, text: bytes, cuts: list[int]) -> bytes:
    """Mask a text that comes in pieces; what is not taken comes again with the next one."""
    out, begin, covered = b"", 0, 0
    for end in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        done = masks.apply(text[begin:end], covered, last=False)
        out, begin, covered = out + done.text, begin + done.taken, done.covered
    return out + masks.apply(text[begin:], covered, last=True).text


@given(
    values=VALUES,
    parts=st.lists(st.sampled_from(["whole", "half", "a", "b", "\n", "\r\n"]), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
@example(values=["abababab", "babababaa"], parts=["whole", "b", "a"], cuts=[4, 8, 9])
@example(values=["abababab"], parts=["half", "\n", "\r\n", "whole"], cuts=[5, 6, 7])
def test_masking_in_pieces_is_masking_the_whole(
    values: list[str], parts: list[str], cuts: list[int]
) -> None:
    """At any border, with secrets that overlap and repeat; and nothing else changes."""
    text = "".join(
        {"whole": values[0], "half": values[-1][:5]}.get(part, part) for part in parts
    ).encode()
    wanted = naive(values, text)
    assert in_pieces(Masks(values), text, cuts) == wanted


@pytest.mark.parametrize("value", [TOKEN, KEY])
def test_every_border_of_every_form(value: str) -> None:
    """Cut in two anywhere."""
    masks = Masks([value])
    for form in disguises(value):
        text = b"before " + form + b" behind\n"
        for cut in range(len(text)):
            assert in_pieces(masks, text, [cut]) == b"before *** behind\n"


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("behind", ["", "1", "12", "123"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_something_with_the_secret_in_it(
    before: str, behind: str, encode: object
) -> None:
    """Nobody gets more than some bits at either end of it."""
    assert callable(encode)
    encoded: bytes = encode((before + TOKEN + behind).encode())
    masked = Masks([TOKEN]).apply(encoded, last=True).text
    left = masked.replace(MASK, b"")
    assert MASK in masked
    assert len(left.rstrip(b"=")) <= (len(before) + len(behind)) * 4 / 3 + 4


@pytest.mark.parametrize(
    "form",
    [
        *(TOKEN, quote(TOKEN), quote(TOKEN, safe=""), quote_plus(TOKEN), quote(TOKEN).lower()),
        *(json.dumps(TOKEN)[1:-1], json.dumps(TOKEN, ensure_ascii=False)[1:-1]),
        *(json.dumps(json.dumps(TOKEN)[1:-1])[1:-1], json.dumps(TOKEN)[1:-1].replace("/", r"\/")),
        *(
            html.escape(TOKEN),
            html.escape(TOKEN, quote=False),
            html.escape(TOKEN).replace("x27", "39"),
        ),
        *(repr(TOKEN)[1:-1], ascii(TOKEN)[1:-1], repr(TOKEN.encode())[2:-1]),
        *(TOKEN.encode().hex(), TOKEN.encode().hex().upper()),
        shlex.quote(TOKEN)[1:-1],
    ],
)
def test_a_quoted_form_is_masked(form: str) -> None:
    """In an URL, in JSON, in a page, in Python's and in a shell's words."""
    masked = Masks([TOKEN]).whole(f"user:{form}@host")
    assert masked == "user:***@host"


def test_each_long_line_of_a_key_is_masked_alone() -> None:
    """Also where a terminal ends lines in its own way; a short line only with the others."""
    masks = Masks([KEY])
    assert masks.whole(f"[{KEY}]") == "[***]"
    assert masks.whole(f"[{KEY}]".replace("\n", "\r\n")) == "[***]"
    for line in KEY.splitlines()[:-1]:
        assert masks.whole(f"  | {line}\n") == "  | ***\n"
    assert masks.whole("end=") == "end="


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_base64_in_lines_is_masked_wherever_it_begins(width: int, end: str) -> None:
    """In any place of a group and of a line; as is what else is put into lines."""
    masks = Masks([TOKEN])
    for before in range(width + 1):
        encoded = base64.b64encode(b"u" * before + TOKEN.encode() + b"behind").decode()
        masked = masks.whole(wrapped(encoded, width, end))
        left = "".join(masked.replace("***", "").split())
        assert len(left) <= len(base64.b64encode(bytes(before + 6))) + 4
        hexadecimal = wrapped("u" * before + TOKEN.encode().hex() + "behind", width, end)
        assert "".join(masks.whole(hexadecimal).split()) == "u" * before + "***behind"


def test_lines_of_base64_are_masked_one_by_one() -> None:
    """Also where something stands before each, as the times in a log."""
    for line in wrapped(base64.b64encode(KEY.encode()).decode(), 64, "\n").split("\n")[:-1]:
        assert Masks([KEY]).whole(f"12:00 {line}") == "12:00 ***"


def wrapped(text: str, width: int, end: str) -> str:
    """Put it into lines."""
    return end.join(text[at : at + width] for at in range(0, len(text), width))


def test_what_stands_apart_is_no_secret() -> None:
    """An end of a line is hidden within one; an empty line is not, and what is around it stays."""
    masks = Masks(["secret-value"])
    assert masks.whole("a s\r\necret\n-value\n\nb") == "a ***\n\nb"
    apart = "\n" * (MAX_GAP_BYTES + 1)
    assert masks.whole(f"secret{apart}-value") == f"secret{apart}-value"
    waiting = masks.apply(f"x secret{apart}".encode(), last=False)
    assert waiting.taken == len(f"x secret{apart}")


def test_as_many_secrets_as_there_can_be_fit_into_what_re2_may_use(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It says when it must do without its tables, and takes a thousand times as long then."""
    lines = MAX_VALUE_BYTES // 65
    values = [
        "\n".join(secrets.token_urlsafe(48) for _ in range(lines)) for _ in range(MAX_SECRETS)
    ]
    masks = Masks(values)
    assert masks.whole("".join(f"{value}\n\n\n" for value in values)) == "***\n\n\n" * MAX_SECRETS
    assert capfd.readouterr().err == ""


def test_only_a_true_beginning_waits() -> None:
    """So that a live log hangs no more than by one."""
    masks = Masks(["secret-value"])
    for text, taken in ((b"a secret-val", 2), (b"a secret-vax", 12), (b"a s", 2), (b"a x", 3)):
        assert masks.apply(text, last=False).taken == taken


def test_a_value_that_repeats_itself_is_hidden_whole() -> None:
    """Each byte that belongs to it anywhere."""
    masks = Masks(["abcdabcdabcd"])
    texts = ["abcd" * count for count in range(3, 9)]
    assert [masks.whole(f"<{text}>") for text in texts] == ["<***>"] * len(texts)
