"""The numbers of a line that may say how it went: `coverage: 71%`, `gcc-14`, `0 bytes`. Pure.

Where they stand is found out from a line whose digits are all 0, so once for all lines of a kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BEGIN: Final = rb"(?<![^\s=(\[\"'])"
_END: Final = rb"(?=[)\]\"',;:.]?(?:\s|\Z))"
# What is measured, with its unit in seconds or bytes.
_SECONDS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "secs": 1, "second": 1,
    "seconds": 1, "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "h": 3600,
    "hour": 3600, "hours": 3600,
}  # fmt: skip
_BYTES: Final = {
    "B": 1, "byte": 1, "bytes": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
LEAST_S: Final = 0.1  # less is no less: so only what lasts ten times this can be news
_UNITS: Final = {unit.encode(): (factor, LEAST_S) for unit, factor in _SECONDS.items()} | {
    unit.encode(): (factor, 0.0) for unit, factor in _BYTES.items()
}
_UNIT: Final = b"|".join(sorted(_UNITS, reverse=True))
_MEASURED: Final = re.compile(
    _BEGIN + rb"(0++(?:\.0++)?) ?(" + _UNIT + rb")(?:/s)?(?![\w/])", re.ASCII
)
# Not in a path, a date, or a time of day. By itself, or at the end of a name: `postgres:16`.
_PLAIN: Final = re.compile(
    _BEGIN
    + rb"(?:(?P<name>[A-Za-z][A-Za-z+._-]*+(?<!_)(?::0{1,3}|0{1,4})(?:\.0{1,4}){0,3})"
    + rb"|[+-]?0++(?P<part>\.0++)*+%?)"
    + _END
    + rb"(?! (?:"
    + _UNIT
    + rb")(?!\w))"
)
_TELLING: Final = re.compile(
    rb"(?i:\b(?:rc|exit|code|status|result|return(?:s|ed)?|http|got|expected|respon(?:se|ded)"
    rb"|answer(?:ed)?|critical|coverage|version)\b)"
)
_GROWN: Final = 10  # times as much: less than that is how busy a machine was


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the numbers of a line stand, and what they are like."""

    plain: tuple[slice, ...]
    measured: tuple[tuple[slice, float, float], ...]  # with the unit, and the least that it is
    is_telling: bool  # whether they are versions, or stand beside a word that says how it went

    def read(self, line: bytes) -> tuple[bytes, ...]:
        """Return the plain ones."""
        return tuple([line[place] for place in self.plain])

    def amounts(self, line: bytes) -> tuple[float, ...]:
        """Return what is measured, in seconds or bytes."""
        return tuple(
            [max(float(line[place]) * unit, least) for place, unit, least in self.measured]
        )


def find_numbers(bare: bytes) -> Numbers | None:
    """Find the numbers of a line whose digits are all 0; None if there are none to be told."""
    begin = bare.rfind(b" ", 0, bare.find(b"0")) + 1  # of the first word that has one
    plain = list(_PLAIN.finditer(bare, begin))
    measured = [
        (slice(*found.span(1)), *_UNITS[found[2]]) for found in _MEASURED.finditer(bare, begin)
    ]
    if not plain and not measured:
        return None
    is_telling = any(found["name"] or found["part"] for found in plain) or (
        bool(plain) and _TELLING.search(bare) is not None
    )
    return Numbers(tuple(slice(*found.span()) for found in plain), tuple(measured), is_telling)


def is_none(number: bytes) -> bool:
    """Whether a plain number is 0, in whatever spelling."""
    return not number.strip(b"0.%+-")


def has_grown(amount: float, most: float) -> bool:
    """Whether so much is more than such lines have usually."""
    return amount > 0 and amount >= _GROWN * most
