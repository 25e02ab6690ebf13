"""Slows down those who guess passwords, and nobody else.

Failures are counted for an address, for an account from that address, and for an account from all
browsers that have never logged in to it. Only these last ones are shut out when somebody far away
guesses at an account: its owner, whose browser is known, is counted apart and still gets in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

WINDOW_S: Final = 15 * 60.0  # failures older than that are forgotten, a part of them earlier
MAX_OF_ADDRESS: Final = 30  # an office behind one address mistypes more than a person
MAX_OF_PAIR: Final = 5  # one account from one address, or from one known browser
MAX_OF_ACCOUNT: Final = 50  # from everywhere but known browsers
MAX_KEPT: Final = 20_000  # counts; then the one that failed longest ago is forgotten


@dataclass(slots=True)
class _Count:
    """A bucket that leaks: after WINDOW_S nothing is left of `failures`."""

    failures: float
    at_s: float

    def left(self, most: int, now_s: float) -> float:
        return max(0.0, self.failures - (now_s - self.at_s) * most / WINDOW_S)


class Throttle:
    """Counts failures. Times are seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()

    def wait_s(self, account: str, address: str, device: str | None, now_s: float) -> float:
        """Say how many seconds a try has to wait; 0 when it may be made now.

        `device` is the id of a browser that has logged in to this account before.
        """
        waits = [0.0]
        for key, most in _keys(account, address, device):
            if (count := self._counts.get(key)) is not None:
                over = count.left(most, now_s) + 1 - most
                waits.append(over * WINDOW_S / most)
        return max(waits)

    def begin(self, account: str, address: str, device: str | None, now_s: float) -> None:
        """Count a try as failed until it has succeeded: of many at once none is for free."""
        for key, most in _keys(account, address, device):
            count = self._counts.pop(key, None)
            failures = count.left(most, now_s) if count is not None else 0.0
            self._counts[key] = _Count(failures + 1, now_s)
        while len(self._counts) > MAX_KEPT:
            self._counts.popitem(last=False)

    def succeeded(self, account: str, address: str, device: str | None) -> None:
        """Take back that it was counted, and forget what was mistyped for this account before."""
        for key, _ in _keys(account, address, device):
            if key[0] == "pair":
                self._counts.pop(key, None)
            elif (count := self._counts.get(key)) is not None:
                count.failures -= 1


def _keys(account: str, address: str, device: str | None) -> list[tuple[tuple[str, ...], int]]:
    if device is not None:
        return [(("device", device), MAX_OF_ADDRESS), (("pair", account, device), MAX_OF_PAIR)]
    network = _network(address)
    return [
        (("address", network), MAX_OF_ADDRESS),
        (("pair", account, network), MAX_OF_PAIR),
        (("account", account), MAX_OF_ACCOUNT),
    ]


def _network(address: str) -> str:
    """Take of an IPv6 address what one customer has: they can take any address in it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
