"""What the storage tells: its configuration and builds, out of JSON that may be anything. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from ci.escapes import plain_text
from ci.origin import Origin

MAX_ID_CHARS: Final = 200
MAX_TEXT_CHARS: Final = 10_000  # of a commit message; some have a whole changelog in it


class Word(StrEnum):
    """The status of a build there, in the storage's own words."""

    WAITING = "Waiting"
    IN_PROGRESS = "InProgress"
    SUCCESS = "Success"
    FAIL = "Fail"
    CANCELED = "Canceled"

    @property
    def ended(self) -> bool:
        """Whether it is for ever."""
        return self not in (Word.WAITING, Word.IN_PROGRESS)


_WORDS: Final = {word.lower(): word for word in Word}


class Unreadable(ValueError):
    """It is not what the storage may tell; the text says what of it."""


@dataclass(frozen=True, slots=True)
class Conf:
    """What is built."""

    id: str
    repository: str
    command: str
    branch: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list: what of it can be read, all that it is, and why not all can be read."""

    builds: tuple[There, ...]
    rows: list[Any]
    problem: str = ""

    @property
    def length(self) -> int:
        """How many builds it has."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class There:
    """A build as the storage has it."""

    origin: Origin
    commit: str
    status: Word
    start: datetime | None = None


def read_conf(said: Any) -> Conf | None:
    """Read the answer of `GET /conf`; None when nothing is configured. Raises Unreadable."""
    conf = _object(said, "the answer").get("data")
    if not conf:
        return None
    conf = _object(conf, "data")
    return Conf(
        _id(conf, "id"),
        _text(conf, "repoName"),
        _text(conf, "buildCommand"),
        _text(conf, "mainBranch", optional=True),
    )


def read_list(said: Any) -> Page:
    """Read a page of `GET /build/list`. Raises Unreadable when it is no list."""
    rows = _object(said, "the answer").get("data")
    if rows is None:
        return Page((), [])
    if not isinstance(rows, list):
        raise Unreadable("data is no list")
    found, problem = [], ""
    for row in rows:
        try:
            found.append(_build(row))
        except Unreadable as error:  # the others are none the worse
            problem = problem or str(error)
    return Page(tuple(found), rows, problem)


def read_build(said: Any) -> There:
    """Read the answer of `GET /build/details`. Raises Unreadable."""
    return _build(_object(said, "the answer").get("data"))


def _build(row: Any) -> There:
    row = _object(row, "a build")
    number = row.get("buildNumber")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**63:
        raise Unreadable(f"buildNumber is {str(number)[:50]!r}")
    word = _WORDS.get(str(row.get("status")).lower())
    if word is None:
        raise Unreadable(f"status is {str(row.get('status'))[:50]!r}")
    origin = Origin(
        _id(row, "id"),
        "" if row.get("configurationId") is None else _id(row, "configurationId"),
        number,
        plain_text(_text(row, "commitMessage", optional=True)),
        _text(row, "branchName", optional=True),  # it may be asked for, and is judged as a commit
        plain_text(_text(row, "authorName", optional=True)),
    )
    return There(origin, _text(row, "commitHash", optional=True), word, _time(row.get("start")))


def _object(said: Any, what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise Unreadable(f"{what} is no JSON object")
    return said


def _id(said: dict[str, Any], name: str) -> str:
    """An id is said again as it was, so nothing of it is cut or mended; some have numbers."""
    value = said.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARS or value != _plain(value):
        raise Unreadable(f"{name} is {str(value)[:50]!r}")
    return value


def _text(said: dict[str, Any], name: str, *, optional: bool = False) -> str:
    value = said.get(name)
    if isinstance(value, str) and (value or optional):
        return _plain(value[:MAX_TEXT_CHARS])
    if optional:
        return ""
    raise Unreadable(f"{name} is {str(value)[:50]!r}")


def _plain(value: str) -> str:
    """A lone surrogate is JSON, but no text that could be stored or sent; NUL is neither."""
    mended = value.encode(errors="replace").decode()
    return mended.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _time(value: Any) -> datetime | None:
    """A time there has no zone and is in UTC; some write one."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # a zone may lead out of all years
        return None
