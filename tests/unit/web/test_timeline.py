"""A build's time as a bar: to scale, without a gap, and in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ci.model import Attempt, Build, Status
from ci.server.views import BuildView
from ci.web.timeline import LEAST, WIDTH, spans

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BUILD = Build(7, "demo", "/srv/demo", "main", "make", 0, Status.WAITING, NOON)


def at(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def tried(number: int, began: float, ended: float | None, status: Status) -> Attempt:
    """An attempt on an agent called oak."""
    end = None if ended is None else at(ended)
    took_s = None if ended is None else max(ended - began, 0)
    return Attempt(
        f"7.1.{number}", 7, 1, number, "oak", status, at(began), finished_at=end, duration_s=took_s
    )


def said(view: BuildView, now: float) -> list[str]:
    """What stands below the bar."""
    return [span.words for span in spans(view, at(now))]


def test_what_waits_is_told_how_long() -> None:
    """Nothing else has happened to it."""
    assert said(BuildView(BUILD, ()), 5) == ["waited 5.0 s"]
    ended = replace(BUILD, status=Status.CANCELED, finished_at=at(3))
    assert said(BuildView(ended, ()), 99) == ["waited 3.0 s"]


def test_each_attempt_has_its_stretch_and_so_has_the_waiting_before_it() -> None:
    """Also the waiting between two, and what runs now."""
    lost = tried(1, 2, 12, Status.ERROR)
    running = tried(2, 42, None, Status.RUNNING)
    build = replace(BUILD, status=Status.RUNNING)
    assert said(BuildView(build, (lost, running)), 102) == [
        "waited 2.0 s",
        "ran 10 s on oak: error",
        "waited 30 s",
        "ran 1 min 0 s so far on oak",
    ]
    again = replace(BUILD, status=Status.WAITING)
    assert said(BuildView(again, (lost,)), 20)[-1] == "waited 8.0 s"


def test_the_checkout_has_a_stretch_of_its_own() -> None:
    """If it took any time to speak of, and the agent has told; never more than the attempt."""
    ended = replace(tried(1, 0, 20, Status.SUCCESS), checkout_s=12.0)
    build = replace(BUILD, status=Status.SUCCESS, finished_at=at(20))
    assert said(BuildView(build, (ended,)), 99) == [
        "checkout 12 s",
        "ran 8.0 s",
    ]
    for short_s in (None, 0.01):
        view = BuildView(build, (replace(ended, checkout_s=short_s),))
        assert said(view, 99) == ["ran 20 s"]
    wrong = BuildView(build, (replace(ended, checkout_s=1e9),))
    assert said(wrong, 99) == ["checkout 20 s", "ran 0.0 s"]


def test_what_has_ended_took_as_long_as_its_agent_says() -> None:
    """As the head of the page says, by the same clock; without a word of it, by the server's."""
    ended = replace(tried(1, 0, 4.8, Status.SUCCESS), duration_s=4.1, checkout_s=1.0)
    build = replace(BUILD, status=Status.SUCCESS, finished_at=at(4.8))
    view = BuildView(build, (ended,))
    assert said(view, 99) == ["checkout 1.0 s", "ran 3.1 s"]
    silent = BuildView(build, (replace(ended, duration_s=None),))
    assert said(silent, 99)[-1] == "ran 3.8 s"


TIMES = st.lists(st.floats(-10, 1e6), min_size=2, max_size=9)


@given(times=TIMES)
def test_the_bar_has_no_gap_and_fits(times: list[float]) -> None:
    """Whatever the clock did; what took no time can be seen, too."""
    moments = [0.0, *times]
    attempts = tuple(
        tried(n, began, ended, Status.ERROR)
        for n, (began, ended) in enumerate(zip(moments[1::2], moments[2::2], strict=False), 1)
    )
    laid = spans(BuildView(BUILD, attempts), at(moments[-1]))
    x = 0
    for span in laid:
        assert span.x == x
        assert span.width >= LEAST
        assert span.seconds >= 0
        x += span.width
    assert x <= WIDTH
