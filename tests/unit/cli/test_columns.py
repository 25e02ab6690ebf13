"""Lists in columns, on terminals of any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from ci.cli.columns import clip, table

ROWS = [
    ("#12", "success", "main", "Begin", "make"),
    ("#3", "failure", "\u65b0\u529f\u80fd", "\u4fee\u6b63 \U0001f41b in the parser", "make test"),
    ("#2", "error", "x", "e\u0301\u0301 \U0001f469\u200d\U0001f4bb \u2764\ufe0f", "make"),
]


def test_columns_stand_below_each_other() -> None:
    """Also behind letters that take two places, or none."""
    lines = list(table(ROWS))
    assert lines[0] == "#12  success  main    Begin                  make"
    assert {wcswidth(line[: line.index("make")]) for line in lines} == {45}


@pytest.mark.parametrize("most", [1, 10, 30, 45, 60, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(most: int) -> None:
    """What is long gives way, and shows that it was cut."""
    assert all(wcswidth(line) <= most for line in table(ROWS, most))


def test_the_longest_gives_way_first() -> None:
    """A long subject leaves the command to be seen."""
    [line] = table([("#1", "success", "a subject that says a lot", "make test")], 36)
    assert line == "#1  success  a subject t\u2026  make test"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))), st.integers(0, 40))
def test_a_text_is_cut_only_where_it_is_too_long(text: str, most: int) -> None:
    """To no more than there is room for."""
    cut = clip(text, most)
    assert max(0, wcswidth(cut)) <= most
    assert cut == text or text.startswith(cut.removesuffix("\u2026"))


def test_an_empty_list_is_nothing() -> None:
    """No line at all."""
    assert list(table([], 80)) == []
