"""The tail of a log on a page says what is new to it, and when the page has to begin anew."""

from __future__ import annotations

from dataclasses import replace

from ci.server.views import LogView
from ci.web.logtail import Tail, has_news, is_out_of_date
from ci.web.text import Place

ID = "1.1.1"


def test_a_page_learns_that_its_log_is_cut_and_that_it_is_over() -> None:
    """It begins anew then, once each time: what stands above the log has changed."""
    tail = Tail(ID, 9, growing=True, place=Place(), start=0, shown=0, version="v")
    assert is_out_of_date(tail, LogView(ID, 9, growing=True, cut=5))
    tail = replace(tail, cut=True)
    assert not is_out_of_date(tail, LogView(ID, 9, growing=True, cut=5))
    assert is_out_of_date(tail, LogView(ID, 9, growing=False, cut=5))


def test_a_page_that_lags_or_has_grown_too_long_begins_anew() -> None:
    """So does one whose attempt was given up for another."""
    tail = Tail(ID, 0, growing=True, place=Place(), start=0, shown=0, version="v")
    assert not is_out_of_date(tail, LogView(ID, 1000, growing=True))
    assert is_out_of_date(tail, LogView("1.1.2", 0, growing=True))
    assert is_out_of_date(tail, LogView(ID, 10**9, growing=True))


def test_between_attempts_the_state_of_the_build_is_news() -> None:
    """Before the first attempt and after a lost one the page says what the build waits for."""
    tail = Tail(None, 0, growing=True, place=Place(), start=0, shown=0, version="1")
    assert not has_news(tail, LogView(None, 0, growing=True), current=True)
    assert has_news(tail, LogView(None, 0, growing=True), current=False)
