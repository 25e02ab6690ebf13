"""Numbers and states are said in words that a person reads at a glance."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.model import Agent, AgentState, Attempt, Build, Reason, Status
from ci.server.views import AgentView
from ci.web import words

NOW = datetime(2026, 11, 21, 14, 3, 22, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (0, "0.0 s"), (-1, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"),
        (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (3599.7, "1 h 0 min"),
        (7620, "2 h 7 min"), (100 * 3600, "4 d 4 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    """Two units at most."""
    assert words.duration(seconds) == text


@given(st.floats(0, 10**9))
def test_a_duration_never_says_sixty(seconds: float) -> None:
    """`1 min 60 s` and `60 s` are no durations."""
    assert not re.search(r"\b60 (s|min)", words.duration(seconds))


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=-5), "just now"), (timedelta(seconds=59), "just now"),
        (timedelta(seconds=125), "2 min ago"), (timedelta(hours=5), "5 h ago"),
        (timedelta(days=3), "3 d ago"), (timedelta(days=60), "22 Sep 2026"),
    ],
)  # fmt: skip
def test_how_long_ago(before: timedelta, text: str) -> None:
    """Relative while that says more than a date."""
    assert words.ago(NOW - before, NOW) == text


def test_times_are_utc() -> None:
    """Wherever the reader is."""
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert words.exact(tokyo) == "21 Nov 2026, 14:03:22 UTC"


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (999_960, "1.0 MB")],
)
def test_sizes(count: int | None, text: str) -> None:
    """Three digits and a unit."""
    assert words.size(count) == text


def ended(status: Status, reason: Reason | None, **more: int) -> Attempt:
    """An attempt that ended so."""
    return Attempt(
        id="1.1.1", build=1, job=1, try_number=1, agent="oak", status=status, reason=reason,
        started_at=NOW, exit_code=more.get("exit_code"), signal=more.get("signal"),
    )  # fmt: skip


def test_why_it_ended() -> None:
    """Each reason has its sentence; a success needs none."""
    assert words.why(ended(Status.SUCCESS, Reason.EXITED)) == ""
    assert words.why(ended(Status.RUNNING, None)) == ""
    assert "exit code 2" in words.why(ended(Status.FAILURE, Reason.EXITED, exit_code=2))
    assert "SIGKILL" in words.why(ended(Status.FAILURE, Reason.EXITED, signal=9))
    assert "signal 99" in words.why(ended(Status.FAILURE, Reason.EXITED, signal=99))
    for reason in Reason:
        if reason is not Reason.EXITED:
            assert words.why(ended(Status.ERROR, reason)).endswith(".")


BUILD = Build(
    number=1, repository="r", repository_url="u", commit="c", command="x", priority=0,
    status=Status.FAILURE, created_at=NOW, reason=Reason.EXITED,
)  # fmt: skip


def test_a_signal_is_told_of_a_build_as_of_its_attempt() -> None:
    """Both by its name; of a build only the exit code is known, as the shell has it."""
    words_of_it = "The command was ended by SIGKILL."
    assert words.why(replace(BUILD, exit_code=137)) == words_of_it
    assert words.why(ended(Status.FAILURE, Reason.EXITED, exit_code=137, signal=9)) == words_of_it
    for code in (2, 127, 128, 255):
        assert f"exit code {code}" in words.why(replace(BUILD, exit_code=code))


def test_one_thing_is_said_once() -> None:
    """By the agent, who knows the limit; else by us."""
    silence = replace(BUILD, status=Status.ERROR, reason=Reason.SILENCE)
    exact = "The command printed nothing for 5 s and was ended."
    assert words.verdict(replace(silence, message=exact)) == exact
    assert words.verdict(replace(silence, message="oh")) == words.why(silence)
    assert words.verdict(replace(BUILD, exit_code=2)) == "The command failed with exit code 2."
    explained = replace(BUILD, exit_code=137, message="Exit code 137 is the shell's word for …")
    assert words.verdict(explained) == "The command failed with exit code 137."
    canceled = replace(BUILD, status=Status.CANCELED, reason=Reason.CANCELED)
    assert words.verdict(canceled) == "It was canceled."
    assert words.verdict(replace(canceled, message="Ada canceled it.")) == "Ada canceled it."


def test_a_running_build_ticks() -> None:
    """Its duration is the time since its start; once over it is what its agent measured."""
    build = Build(
        number=1, repository="r", repository_url="u", commit="c", command="x", priority=0,
        status=Status.RUNNING, created_at=NOW, started_at=NOW,
    )  # fmt: skip
    assert words.took(build, NOW + timedelta(seconds=5.9)) == "5 s"
    assert words.took(build, NOW + timedelta(seconds=65)) == "1 min 5 s"


def test_a_list_says_how_the_newest_end_was() -> None:
    """What still runs, or was canceled, says nothing of the code."""
    build = Build(
        number=1, repository="r", repository_url="u", commit="c", command="x", priority=0,
        status=Status.RUNNING, created_at=NOW,
    )  # fmt: skip
    builds = [replace(build, status=status) for status in Status]
    assert words.last_end(builds) is Status.SUCCESS
    assert words.last_end(builds[::-1]) is Status.ERROR
    assert words.last_end([build]) is None


def view(name: str, state: AgentState, *, takes_work: bool = True) -> AgentView:
    """An agent in that state."""
    agent = Agent(
        name=name, host="127.0.0.1", port=1, slots=1, labels=(), version="", boot_id="", home_id="",
        native=True, paused=False, first_seen=NOW, last_seen=NOW,
    )  # fmt: skip
    return AgentView(agent, state, NOW, (), takes_work=takes_work)


def test_agents_are_as_well_as_the_worst_of_them() -> None:
    """One that is lost is to be seen in the tab; one that somebody has paused is no trouble."""
    well = view("oak", AgentState.ONLINE)
    refuses = view("ash", AgentState.ONLINE, takes_work=False)
    assert words.worst([]) is None
    assert words.worst([well, view("elm", AgentState.PAUSED)]) is Status.SUCCESS
    assert words.worst([well, refuses]) is Status.ERROR
    assert words.worst([well, refuses, view("fir", AgentState.LOST)]) is Status.FAILURE


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [("", "")]),
        ("no number", [("no number", "")]),
        ("busy (#12, #3).", [("busy (", "12"), (", ", "3"), (").", "")]),
        ("#7", [("", "7"), ("", "")]),
        ("#0 #x # 1", [("#0 #x # 1", "")]),
    ],
)
def test_numbers_in_a_sentence(text: str, pieces: list[tuple[str, str]]) -> None:
    """Each is told apart, and nothing is lost."""
    assert words.with_numbers(text) == pieces
