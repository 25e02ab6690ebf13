"""Ends in words."""

from __future__ import annotations

import errno
import math

import pytest

from ci.agent import ending
from ci.model import Reason, Status


@pytest.mark.parametrize(
    ("code", "signal", "message"),
    [
        (1, None, ""),
        (128, None, ""),
        (137, 9, "Exit code 137 is the shell's word for a command that SIGKILL has ended."),
        (143, 15, "Exit code 143 is the shell's word for a command that SIGTERM has ended."),
        (255, None, ""),
    ],
)
def test_an_exit_code_is_explained(code: int, signal: int | None, message: str) -> None:
    """A shell says a signal by 128 + its number."""
    outcome = ending.exited(code)
    assert (outcome.status, outcome.reason) == (Status.FAILURE, Reason.EXITED)
    assert (outcome.exit_code, outcome.signal, outcome.message) == (code, signal, message)


def test_success_needs_no_words() -> None:
    """Green is green."""
    assert ending.exited(0).status is Status.SUCCESS


@pytest.mark.parametrize(
    ("seconds", "words"), [(90, "90 seconds"), (1.5, "1.5 seconds"), (7200, "120 minutes")]
)
def test_a_limit_is_said_as_people_say_it(seconds: float, words: str) -> None:
    """Seconds while they are few."""
    assert words in ending.stopped(Reason.TIMEOUT, seconds, None).message
    assert words in ending.stopped(Reason.SILENCE, None, seconds).message


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("limit", [None, math.inf, math.nan, 1e308, 0.0])
def test_every_stop_has_a_sentence(reason: Reason, limit: float | None) -> None:
    """Whatever the limits are, those of other reasons included."""
    assert ending.stopped(reason, limit, limit).message.endswith(".")


@pytest.mark.parametrize("reason", list(Reason))
def test_only_what_was_canceled_is_called_so(reason: Reason) -> None:
    """By the word that the build itself has; all else that was stopped is without a verdict."""
    expected = Status.CANCELED if reason is Reason.CANCELED else Status.ERROR
    assert ending.stopped(reason, 1, 1).status is expected


def test_an_error_is_said_in_one_sentence() -> None:
    """Also one of a nursery, and one that quotes all that it was given."""
    inner = OSError(errno.EIO, "x")
    group = ExceptionGroup("g", [ExceptionGroup("h", [inner])])
    assert ending.broken(group) == ending.broken(inner)
    message = ending.broken(ValueError("x" * 100_000)).message
    assert "ValueError: xxx" in message
    assert len(message) < 1000


def test_a_trouble_of_the_disk_is_no_verdict() -> None:
    """It is the agent's own."""
    assert ending.broken(OSError(errno.EIO, "x")).reason is Reason.INTERNAL
