"""A log is sent in smaller and smaller parts where its size may be what is in the way."""

from __future__ import annotations

import pytest

from ci.server.external.client import StorageFailed
from ci.server.external.share import LEAST_LOG, Share

MIB = 1 << 20


def _refuse(share: Share, status: int | None, *, size: int = MIB, for_all: bool = False) -> bool:
    share.sending(size)
    return share.failed(StorageFailed("no", status=status), for_all=for_all)


@pytest.mark.parametrize(("status", "tries"), [(413, 1), (None, 3), (400, 3), (500, 6), (403, 6)])
def test_so_many_tries_are_enough(status: int | None, tries: int) -> None:
    """The more it speaks of the size, the fewer."""
    share = Share(MIB)
    assert [_refuse(share, status) for _ in range(tries)] == [False] * (tries - 1) + [True]
    assert share.limit == MIB // 2


def test_half_of_what_was_sent() -> None:
    """A limit far above the log would else take many tries to matter."""
    share = Share(MIB)
    assert _refuse(share, 413, size=100_000)
    assert share.limit == 1 << 16


def test_only_a_finish_counts_and_only_its_own_failure() -> None:
    """Not a call without a log, and not what fails for all."""
    share = Share(MIB)
    assert not any(_refuse(share, 413, for_all=True) for _ in range(10))
    assert not any(share.failed(StorageFailed("no"), for_all=False) for _ in range(10))
    assert share.limit == MIB


def test_what_is_refused_at_the_least_size_is_sent_whole() -> None:
    """Unless the storage says that it is the size."""
    share = Share(MIB)
    for _ in range(100):
        _refuse(share, 500, size=share.limit + 90)
    assert share.limit == MIB
    assert _refuse(share, 413)
    for _ in range(100):
        _refuse(share, 413, size=share.limit + 90)
    assert share.limit == LEAST_LOG
