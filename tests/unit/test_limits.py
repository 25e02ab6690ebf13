"""How many files this process may open decides how many clients it may have."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from ci.limits import make_limits, raise_file_limit


@pytest.fixture
def few_files() -> Iterator[int]:
    """Let this process open fewer files than it could."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (800, before[1]))
    yield 800
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_files_are_left_for_ourselves(few_files: int) -> None:
    """Fewer clients than were asked for, never more."""
    assert make_limits(10_000, 60, 1).connections == 600
    assert make_limits(100, 60, 1).connections == 100


def test_a_program_may_take_all_files_that_it_is_given(few_files: int) -> None:
    """The soft limit goes up to the hard one; doing it again changes nothing."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(2):
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
