"""What serves the storage begins again, however it ends."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ci.server.external.again import serve_again


async def test_what_breaks_begins_again_and_is_told_once(autojump_clock: MockClock) -> None:
    """More and more rarely, with one traceback in an hour."""
    began: list[float] = []

    async def serve() -> None:
        began.append(trio.current_time())
        raise ZeroDivisionError

    with capture_logs() as lines, trio.move_on_after(3000):
        await serve_again("looks", serve)
    assert 50 < len(began) < 500
    assert [(line["event"], line["exc_info"]) for line in lines] == [("storage task broken", True)]


async def test_the_end_of_the_server_ends_it(autojump_clock: MockClock) -> None:
    """So does what is no error but a wish to stop."""

    async def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await serve_again("looks", stop)
    with trio.move_on_after(1) as scope:
        await serve_again("looks", trio.sleep_forever)
    assert scope.cancelled_caught


async def test_what_breaks_after_a_long_time_is_news(autojump_clock: MockClock) -> None:
    """It is told, and begins again as soon as the first time."""
    begun: list[float] = []

    async def serve() -> None:
        begun.append(trio.current_time())
        if len(begun) > 10:
            await trio.sleep(700)
        raise ValueError("what nobody has foreseen")

    with capture_logs() as lines, trio.move_on_after(2000):
        await serve_again("looks", serve)
    assert len(lines) == 3
    assert begun[12] - begun[11] <= 701
