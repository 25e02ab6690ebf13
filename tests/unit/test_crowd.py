"""Who has to go when there are too many, or too much."""

from __future__ import annotations

from ci.crowd import Crowd
from ci.limits import Limits

PIECES = 16  # of a body


class Guest:
    """A connection that keeps count of its ends."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.drops = 0
        self.stops = 0

    def stop(self) -> None:
        """Count."""
        self.stops += 1

    def drop(self) -> None:
        """Leave."""
        self.drops += 1
        self.crowd.leave(self)


def make_guests(crowd: Crowd, count: int) -> list[Guest]:
    """Let some enter, one after the other."""
    guests = [Guest(crowd) for _ in range(count)]
    for guest in guests:
        crowd.enter(guest)
    return guests


async def test_who_is_waited_for_longest_goes_first() -> None:
    """A word from a client, or an end of our work, puts it at the end of the line."""
    crowd = Crowd(Limits(connections=3, client_s=1, body_bytes=100))
    first, second, third = make_guests(crowd, 3)
    crowd.wait(first)
    make_guests(crowd, 1)
    assert [first.drops, second.drops, third.drops] == [0, 1, 0]
    assert len(crowd) == 3


async def test_those_we_work_for_stay() -> None:
    """Whoever comes when we work for all has to go himself."""
    crowd = Crowd(Limits(connections=2, client_s=1, body_bytes=100))
    guests = make_guests(crowd, 2)
    for guest in guests:
        crowd.work(guest)
    (late,) = make_guests(crowd, 1)
    assert late.drops == 1
    crowd.wait(guests[1])
    make_guests(crowd, 1)
    assert [guest.drops for guest in guests] == [0, 1]


async def test_the_body_that_began_first_goes() -> None:
    """Not one that is whole and worked on, unless there is no other; as many as it takes."""
    crowd = Crowd(Limits(connections=9, client_s=1, body_bytes=100))
    whole, first, second, last = guests = make_guests(crowd, 4)
    crowd.hold(whole, 30)
    crowd.work(whole)
    crowd.hold(first, 10)
    crowd.hold(second, 10)
    crowd.hold(first, 5)
    crowd.hold(last, 55)
    assert [guest.drops for guest in guests] == [0, 1, 0, 0]
    crowd.hold(last, 15)
    assert [guest.drops for guest in guests] == [0, 1, 1, 0]
    crowd.release(last)
    crowd.hold(whole, 71)
    assert [guest.drops for guest in guests] == [1, 1, 1, 0]


async def test_half_sent_bodies_take_no_room_from_quick_ones() -> None:
    """However many are kept just below the size of a quick one, and come again when they go."""
    crowd = Crowd(Limits(connections=999, client_s=1, body_bytes=256 * PIECES))
    hostile = make_guests(crowd, 280)
    for one in hostile:
        crowd.hold(one, PIECES - 1)
    for _ in range(50):
        (quick,) = make_guests(crowd, 1)
        for _ in range(PIECES):
            crowd.hold(quick, 1)
        for one in [one for one in hostile if one.drops]:
            one.drops = 0
            crowd.enter(one)
            crowd.hold(one, PIECES - 1)
        assert quick.drops == 0
        quick.drop()


async def test_who_has_left_takes_no_room() -> None:
    """Also when its last tasks still speak of it."""
    crowd = Crowd(Limits(connections=1, client_s=1, body_bytes=10))
    (gone,) = make_guests(crowd, 1)
    gone.drop()
    crowd.wait(gone)
    crowd.hold(gone, 10)
    (guest,) = make_guests(crowd, 1)
    crowd.hold(guest, 10)
    assert (len(crowd), gone.drops, guest.drops) == (1, 1, 0)


async def test_all_hear_that_we_stop() -> None:
    """Each decides for itself whether it is idle."""
    crowd = Crowd(Limits(connections=9, client_s=1, body_bytes=10))
    guests = make_guests(crowd, 3)
    crowd.stop()
    assert [guest.stops for guest in guests] == [1, 1, 1]
