"""Secrets are masked in every usual form, and however the text is cut into pieces."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci.agent.disguises import disguises
from ci.agent.masking import MASK, Masks

TOKEN = "s3cr?t/+ü'%\"42"
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"line {n} {'xyz' * 9}" for n in range(4)) + "\nend="

# Few letters, so that beginnings, overlaps and repetitions are everywhere.
VALUES = st.lists(
    st.text("ab\n", min_size=8, max_size=12).filter(lambda value: "\n" not in value[:8]),
    min_size=1,
    max_size=3,
)


def naive(values: list[str], text: bytes) -> bytes:
    """Mask a whole text, letter by letter."""
    forms = [form for value in values for form in disguises(value)]
    out, until = b"", 0
    for at in range(len(text)):
        ends = [at + len(form) for form in forms if text.startswith(form, at)]
        if ends and at >= until:
            out += MASK
        until = max([until, *ends])
        if at >= until:
            out += text[at : at + 1]
    return out


def in_pieces(masks: Masks, text: bytes, cuts: list[int]) -> bytes:
    """Mask a text that comes in pieces; what is not taken comes again with the next one."""
    out, begin, covered = b"", 0, 0
    for end in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        done = masks.apply(text[begin:end], covered, last=False)
        out, begin, covered = out + done.text, begin + done.taken, done.covered
    return out + masks.apply(text[begin:], covered, last=True).text


@given(
    values=VALUES,
    parts=st.lists(st.sampled_from(["whole", "half", "a", "b", "ab", "\n"]), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
@example(values=["abababab", "babababaa"], parts=["whole", "b", "a"], cuts=[4, 8, 9])
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
        shlex.quote(TOKEN)[1:-1],
    ],
)
def test_a_quoted_form_is_masked(form: str) -> None:
    """In an URL, in JSON, in a shell's words."""
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


@pytest.mark.parametrize("width", [64, 76])
def test_base64_in_lines_is_masked(width: int) -> None:
    """As openssl and base64 wrap it; a short rest at the end is no secret any more."""
    encoded = base64.b64encode(KEY.encode()).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    masked = Masks([KEY]).whole("\n".join(lines))
    assert all(line == "***" for line in masked.split("\n")[:-1])
    assert len(masked.split("\n")[-1]) < 8


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
