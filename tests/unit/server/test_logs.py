"""Logs of attempts: whole on disk before a result counts, and counted by line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errors import GivenUp, LogGap
from ci.server.logs import _INDEX_STEP, Logs


@pytest.mark.parametrize("id", ["", "1", "1.1", "../1.1.1", "1.1.1/x", "0.1.1", "1.1.1\n", "٣.1.1"])
async def test_an_id_that_is_none_never_becomes_a_path(tmp_path: Path, id: str) -> None:
    """Whatever comes from outside, only BUILD.JOB.TRY is looked for on disk."""
    with pytest.raises(GivenUp):
        await Logs(tmp_path).append(id, 0, b"x")
    assert list(tmp_path.iterdir()) == []


async def test_sealing_checks_size_and_content(tmp_path: Path) -> None:
    """Missing bytes are asked for; wrong ones are thrown away and asked for again."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"hello")
    right = hashlib.sha256(b"hello").hexdigest()
    with pytest.raises(LogGap) as gap:
        await logs.seal("1.1.1", None, 6, None)
    assert gap.value.size == 5
    assert await logs.seal("1.1.1", None, 5, right) == 5
    with pytest.raises(LogGap) as gap:
        await logs.seal("1.1.1", None, 5, "0" * 64)
    assert gap.value.size == 0
    assert logs.size("1.1.1") == 0
    assert await logs.seal("1.1.1", b"hello", 5, right) == 5
    assert await logs.seal("2.1.1", None, 0, hashlib.sha256().hexdigest()) == 0


@given(
    chunks=st.lists(st.integers(min_value=1, max_value=_INDEX_STEP), min_size=1, max_size=4),
    asked=st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=4),
)
def test_lines_are_counted_right_however_it_is_asked(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[int], asked: list[float]
) -> None:
    """While the log grows, from any offset, in any order."""
    folder = tmp_path_factory.mktemp("logs")
    logs = Logs(folder)
    content = b""
    path = logs._path("5.1.1")
    path.parent.mkdir(parents=True)
    for length in chunks:
        content += (b"x" * (length % 7) + b"\n") * (length // 8 + 1)
        path.write_bytes(content)
        for part in asked:
            offset = int(part * len(content))
            assert logs._count("5.1.1", offset) == content[:offset].count(b"\n")
