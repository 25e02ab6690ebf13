"""What a red log has that the green one has not, as the API shows it."""

from __future__ import annotations

from dataclasses import dataclass

from ci.answers.writing import Answer


@dataclass(frozen=True, slots=True)
class Line(Answer):
    """A line of a log."""

    line: int
    """its number"""
    text: str
    """without colours"""


@dataclass(frozen=True, slots=True)
class NewLine(Answer):
    """A line of the red log."""

    line: int
    """its number"""
    text: str
    """without colours"""
    new: bool
    """whether the green log lacks it; else it stands between two that are new"""
    error: bool
    """whether it looks like an error"""
    usual: bool
    """whether the green log has many like it but for one word"""
    alike: int
    """how many further lines are of its shape"""


@dataclass(frozen=True, slots=True)
class OtherNumbers(Answer):
    """A line that has other numbers than all like it in the green log, with one of these."""

    line: int
    """its number"""
    text: str
    """without colours"""
    green_line: int
    """the number of the other one"""
    green_text: str
    """without colours"""


@dataclass(frozen=True, slots=True)
class News(Answer):
    """What is new in a log."""

    lines: int
    """how many lines were compared"""
    green_lines: int
    """with how many of the green log; with none, all are new"""
    new: int
    """how many of them are new"""
    errors: int
    """of how many shapes are the new lines that look like an error"""
    last_line: int | None
    """the number of the last line that is new and not usual; null if none is"""
    little_in_common: bool
    """whether nearly all lines are new, so that most news are none"""
    runs: tuple[tuple[NewLine, ...], ...]
    """the new lines, those that follow each other together"""
    hidden: int
    """of how many shapes are those that are not told since there are too many"""
    missing: int
    """of how many shapes are the lines that only the green log has"""
    missing_lines: tuple[Line, ...]
    """the first ones of these, with their numbers there"""
    only_numbers_found: int
    """how many lines have other numbers than all like them in the green log"""
    only_numbers: tuple[OtherNumbers, ...]
    """up to 20 of these, those first that may say most"""
    left_out: int
    """bytes in the middle of the log that were not looked at"""
    green_left_out: int
    """the same of the green log"""
    too_many_kinds: bool
    """whether there were more shapes than are told apart"""


@dataclass(frozen=True, slots=True)
class WhyRed(Answer):
    """What a build that went wrong printed that the last green one like it did not."""

    number: int
    """of the build"""
    problem: str | None
    """in a sentence why there is no comparison; else null"""
    green: int | None
    """the number of the build that it is compared with; null if there is none"""
    same_branch: bool | None
    """whether that is of its own branch; null if there is none"""
    news: News | None
    """null if there is a problem"""
