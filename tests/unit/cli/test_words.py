"""Builds and agents in a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ci.answers.builds import Build
from ci.cli import words
from ci.model import Reason, Status

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BUILD = Build(
    number=7, repository="demo", commit="main", commit_hash="bb0cc63", subject="Begin\x1b[2J",
    author="Ann", branch="main", command="\n  make\nmake test", priority=0, labels=("gpu",),
    asked_by=None, status=Status.FAILURE, reason=Reason.EXITED, message=None,
    created_at=NOW - timedelta(minutes=5), started_at=NOW, finished_at=NOW, duration_s=125.0,
    agent="oak", exit_code=2, log_size=3, attempts=(), queue_position=None, waiting_for=None,
    starts_in_s=None, phase=None, external=None,
)  # fmt: skip


def test_a_line_of_a_list_says_the_most_of_a_build() -> None:
    """In one line, whatever it holds."""
    assert words.line(BUILD, NOW) == (
        "#7", "failure", "2:05", "5 min", "main", "Begin", "make …",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "#7 failure · exit code 2 · 2:05"),
        ({"status": Status.SUCCESS, "exit_code": 0, "duration_s": 2.44}, "#7 success · 2.4 s"),
        (
            {"status": Status.ERROR, "reason": Reason.AGENT_LOST, "duration_s": None},
            "#7 error · agent lost",
        ),
        ({"message": "it said\nno"}, "#7 failure · it said no · 2:05"),
        (
            {"status": Status.WAITING, "waiting_for": "Next in line."},
            "#7 waiting: Next in line.",
        ),
        ({"status": Status.WAITING, "waiting_for": ""}, "#7 waiting"),
        ({"status": Status.RUNNING, "phase": "checking out"}, "#7 running on oak: checking out"),
    ],
)
def test_what_becomes_of_a_build_is_said_in_a_line(change: dict[str, object], said: str) -> None:
    """While it waits, runs, and at its end."""
    assert words.state(replace(BUILD, **change)) == said  # type: ignore[arg-type]


def test_all_about_a_build_has_no_empty_facts() -> None:
    """What there is not takes no line."""
    found = dict(words.facts(BUILD))
    assert found["commit"] == "main bb0cc63"
    assert found["created"] == "2026-11-21T11:55:00.000Z"
    assert "phase" not in found
    assert all(found.values())


@pytest.mark.parametrize(
    ("seconds", "said"), [(59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d"), (-5, "0 s")]
)
def test_how_long_ago(seconds: int, said: str) -> None:
    """By the largest unit that fits; a clock that is behind is no reason for a sign."""
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == said


def test_hours_are_told() -> None:
    """From one on."""
    assert [words.clock(s) for s in (5, 65, 3602)] == ["0:05", "1:05", "1:00:02"]
