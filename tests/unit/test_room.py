"""Who has to go when there are too many, or too much."""

from __future__ import annotations

from ci.limits import Limits
from ci.room import Room


class Guest:
    """A connection that keeps count of its ends."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.drops = 0
        self.stops = 0

    def stop(self) -> None:
        """Count."""
        self.stops += 1

    def drop(self) -> None:
        """Leave."""
        self.drops += 1
        self.room.leave(self)


def make_guests(room: Room, count: int) -> list[Guest]:
    """Let some enter, one after the other."""
    guests = [Guest(room) for _ in range(count)]
    for guest in guests:
        room.enter(guest)
    return guests


async def test_who_is_waited_for_longest_goes_first() -> None:
    """A word from a client, or an end of our work, puts it at the end of the line."""
    room = Room(Limits(connections=3, client_s=1, body_bytes=100))
    first, second, third = make_guests(room, 3)
    room.wait(first)
    make_guests(room, 1)
    assert [first.drops, second.drops, third.drops] == [0, 1, 0]
    assert len(room) == 3


async def test_those_we_work_for_stay() -> None:
    """Whoever comes when we work for all has to go himself."""
    room = Room(Limits(connections=2, client_s=1, body_bytes=100))
    guests = make_guests(room, 2)
    for guest in guests:
        room.work(guest)
    (late,) = make_guests(room, 1)
    assert late.drops == 1
    room.wait(guests[1])
    make_guests(room, 1)
    assert [guest.drops for guest in guests] == [0, 1]


async def test_the_largest_body_goes() -> None:
    """Not the one that came last, and nobody after a request is over."""
    room = Room(Limits(connections=9, client_s=1, body_bytes=100))
    small, large, other = make_guests(room, 3)
    room.hold(small, 30)
    room.hold(large, 40)
    room.hold(large, 20)
    room.hold(other, 11)
    assert [small.drops, large.drops, other.drops] == [0, 1, 0]
    room.release(small)
    room.hold(other, 89)
    assert other.drops == 0


async def test_who_has_left_takes_no_room() -> None:
    """Also when its last tasks still speak of it."""
    room = Room(Limits(connections=1, client_s=1, body_bytes=10))
    (gone,) = make_guests(room, 1)
    gone.drop()
    room.wait(gone)
    room.hold(gone, 10)
    (guest,) = make_guests(room, 1)
    room.hold(guest, 10)
    assert (len(room), gone.drops, guest.drops) == (1, 1, 0)


async def test_all_hear_that_we_stop() -> None:
    """Each decides for itself whether it is idle."""
    room = Room(Limits(connections=9, client_s=1, body_bytes=10))
    guests = make_guests(room, 3)
    room.stop()
    assert [guest.stops for guest in guests] == [1, 1, 1]
