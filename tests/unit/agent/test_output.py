"""Of an output without end head and tail are delivered, the same ones whenever one looks."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.agent.output import MAX_NEAR_BYTES, Log, Output, _words
from ci.wire.result import LOG_MARK_ROOM

LIMITS = st.integers(64, 400)  # as good as large ones, since no size is special
# Lines of any length: some end near a cut, some don't.
PRINTED = st.lists(st.integers(0, 90), max_size=40).map(
    lambda lengths: b"".join(bytes([65 + n % 26]) * n + b"\n" * (n < 80) for n in lengths)
)
MARK = re.compile(
    rb"\n?\[nursery-ci: the output limit of .* is reached: .*\]\n"
    rb"\[([0-9,]+) bytes are left out here\]\n"
)


def content(log: Log) -> bytes:
    """All of a log."""
    return b"".join(log.pieces())


@given(PRINTED, LIMITS)
def test_head_and_tail_are_exact_and_what_is_between_is_counted(printed: bytes, limit: int) -> None:
    """Within the limit a log is what was printed; of a longer one the mark says what is missing."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(printed)
        log = Output(path, limit).whole(len(printed))
        if len(printed) <= limit:
            assert content(log) == printed
            return
        found = MARK.match(content(log), log.head)
        assert found is not None
        head, tail = content(log)[: log.head], content(log)[found.end() :]
        left_out = int(found[1].replace(b",", b""))
        assert len(head) + left_out + len(tail) == len(printed)
        assert printed.startswith(head)
        assert printed.endswith(tail)
        assert len(head) >= limit * 3 // 4 - limit // 16
        assert len(tail) >= limit // 4 - limit // 16
        assert log.size <= limit + LOG_MARK_ROOM


@given(PRINTED, LIMITS, st.integers(0, 4000), st.integers(1, 500))
def test_it_may_be_read_from_anywhere(printed: bytes, limit: int, offset: int, most: int) -> None:
    """Pieces from any offset fit together, and size and hash are those of the whole."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(printed)
        log = Output(path, limit).whole(len(printed))
        whole = content(log)
        assert log.size == len(whole)
        assert log.sha256() == hashlib.sha256(whole).hexdigest()
        piece = log.read(offset, most)
        assert piece == whole[offset : offset + len(piece)]
        assert len(piece) <= most
        assert bool(piece) == (offset < len(whole))
        assert content(log.first(offset)) == whole[:offset]


@given(PRINTED, LIMITS, st.integers(0, 4000), st.integers(0, 4000))
def test_what_was_delivered_never_changes(
    printed: bytes, limit: int, before: int, after: int
) -> None:
    """While it grows and at its end, the log begins with whatever was delivered before."""
    before, after = sorted((min(before, len(printed)), min(after, len(printed))))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        output = Output(path, limit)
        path.write_bytes(printed[:before])
        early = content(output.so_far(before))
        assert len(early) <= before + LOG_MARK_ROOM
        assert content(output.whole(before)).startswith(early)
        path.write_bytes(printed[:after])
        assert content(output.so_far(after)).startswith(early)
        assert content(output.whole(after)).startswith(early)


@given(PRINTED, LIMITS, st.integers(0, 4000))
def test_the_middle_is_in_no_log(printed: bytes, limit: int, at: int) -> None:
    """What may be freed while the command prints is read by nobody, however much is to come."""
    at = min(at, len(printed))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(printed)
        output = Output(path, limit)
        before = content(output.whole(len(printed))), content(output.so_far(len(printed)))
        middle = output.middle(at)
        assert middle.stop <= max(at, middle.start)
        gone = bytearray(printed)
        gone[middle.start : middle.stop] = b"\n" * len(middle)
        path.write_bytes(gone[: len(printed)])
        assert (
            content(output.whole(len(printed))),
            content(output.so_far(len(printed))),
        ) == before
        assert at - len(middle) <= limit + 1, "the rest takes no more disk than the limit"


def test_a_log_is_cut_at_line_ends(tmp_path: Path) -> None:
    """So neither half a line nor half a character stands at the mark."""
    line = "é" * 49 + "\n"
    (tmp_path / "log").write_text(line * 2000, encoding="utf-8")
    text = content(Output(tmp_path / "log", 1 << 16).whole(99 * 2000)).decode()
    mark = "the output limit of 64 KiB is reached: what follows is left out, except its last 16 KiB"
    assert set(text.splitlines()) == {
        line.strip(),
        f"[nursery-ci: {mark}, which come at the end]",
        "[132,561 bytes are left out here]",
    }
    assert text.splitlines().count(line.strip()) == 496 + 165


def test_one_endless_line_is_cut_where_it_must_be(tmp_path: Path) -> None:
    """The mark still begins a line."""
    (tmp_path / "log").write_bytes(b"x" * 100_000)
    data = content(Output(tmp_path / "log", 1 << 16).whole(100_000))
    assert re.fullmatch(rb"x{49152}\n\[nursery.*\]\n\[34,464 bytes .*\]\nx{16384}", data)


def test_live_output_waits_only_near_the_limit(tmp_path: Path) -> None:
    """Up to the head's end all is there at once; then nothing until the limit or the end."""
    limit = 512 << 20
    head = limit * 3 // 4
    with (tmp_path / "log").open("wb") as file:
        file.truncate(limit + 5)
    output = Output(tmp_path / "log", limit)
    assert output.so_far(1000).size == 1000
    assert output.so_far(head - MAX_NEAR_BYTES).size == head - MAX_NEAR_BYTES
    assert output.so_far(head).size == head
    assert output.so_far(limit).size == head
    assert output.so_far(limit + 1).mark.startswith(b"\n[nursery-ci: the output limit of 512 MiB")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1 << 30, "1 GiB"),
        (3 << 29, "1536 MiB"),
        (1 << 16, "64 KiB"),
        (100_000, "100,000 bytes"),
        (0, "0 bytes"),
    ],
)
def test_a_size_is_said_in_the_unit_it_was_set_in(count: int, words: str) -> None:
    """Most limits are whole."""
    assert _words(count) == words
