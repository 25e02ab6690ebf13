"""What the storage tells is read as far as it can be."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.server.external.there import Page, Unreadable, Word, read_build, read_conf, read_list

BUILD: Final[dict[str, Any]] = {
    "id": "abc",
    "configurationId": "conf",
    "buildNumber": 7,
    "commitMessage": "Fix it",
    "commitHash": "1f" * 20,
    "branchName": "main",
    "authorName": "Ada",
    "status": "InProgress",
    "start": "2020-04-06T22:39:36.2",
    "duration": None,
    "more": {"unknown": [1]},
}


def test_a_build() -> None:
    """A time without a zone is UTC; what is unknown is left out."""
    there = read_build({"data": BUILD})
    assert (there.origin.id, there.origin.number, there.status) == ("abc", 7, Word.IN_PROGRESS)
    assert there.start == datetime(2020, 4, 6, 22, 39, 36, 200_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"id": True},
        {"id": "x" * 201},
        {"id": "a\x00b"},
        {"id": "\ud800"},
        {"configurationId": [1]},
        {"buildNumber": "7"},
        {"buildNumber": True},
        {"status": "Odd"},
    ],
)
def test_a_build_that_cannot_be_read_is_left_out_of_a_list(change: dict[str, Any]) -> None:
    """The page is as long as it is, and says why."""
    page = read_list({"data": [BUILD | change, BUILD, None]})
    assert ([there.origin.id for there in page.builds], page.length) == (["abc"], 3)
    assert page.problem.startswith(next(iter(change)))


@pytest.mark.parametrize(
    ("id", "read"), [(17, "17"), ("17", "17"), ("A-b_c/ü'\"{}", "A-b_c/ü'\"{}")]
)
def test_an_id_is_any_text_or_number(id: object, read: str) -> None:
    """Of a build and of a configuration."""
    there = read_build({"data": BUILD | {"id": id, "configurationId": id}})
    assert (there.origin.id, there.origin.configuration) == (read, read)
    conf = read_conf({"data": {"id": id, "repoName": "a/b", "buildCommand": "make"}})
    assert conf is not None
    assert conf.id == read


@pytest.mark.parametrize(
    "change",
    [
        {"commitMessage": None},
        {"start": 5},
        {"start": "soon"},
        {"authorName": ["x"]},
        {"start": "0001-01-01T00:00:00+03:00"},
    ],
)
def test_what_nobody_needs_may_be_missing_or_wrong(change: dict[str, Any]) -> None:
    """A build is none the worse for it."""
    assert read_build({"data": BUILD | change}).origin.id == "abc"


def test_text_that_cannot_be_kept_is_made_so() -> None:
    """NUL, and halves of characters, which JSON can write."""
    there = read_build({"data": BUILD | {"commitMessage": "a\x00b\ud800c"}})
    assert there.origin.message == "a\N{REPLACEMENT CHARACTER}b?c"


def test_text_of_others_speaks_to_people_alone() -> None:
    """It stands on pages and in what a terminal shows."""
    there = read_build(
        {"data": BUILD | {"commitMessage": "\x1b]0;t\x07Fix", "authorName": "\x9bA"}}
    )
    assert (there.origin.message, there.origin.author) == ("Fix", " A")


def test_lists_and_configurations_that_are_empty() -> None:
    """Null and {} are both nothing."""
    assert read_list({"data": None}) == Page((), [])
    assert read_conf({}) is None
    assert read_conf({"data": None}) is None


_ANY: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda each: st.lists(each) | st.dictionaries(st.sampled_from([*BUILD, "data"]), each),
    max_leaves=12,
)


@given(_ANY)
def test_anything_is_read_or_said_to_be_unreadable(said: Any) -> None:
    """No other error."""
    for read in (read_conf, read_list, read_build):
        with suppress(Unreadable):
            read(said)


@given(st.sampled_from([*BUILD]), _ANY)
def test_a_build_with_anything_in_it_is_read_or_left_out(name: str, value: Any) -> None:
    """The one beside it is read."""
    page = read_list({"data": [BUILD | {"id": "odd", name: value}, BUILD]})
    assert [there.origin.id for there in page.builds][-1] == "abc"
    assert len(page.builds) + bool(page.problem) == 2
