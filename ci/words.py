"""The words of a command that means the same with a shell and without one.

It is a part of POSIX' shell language (Shell Command Language, 2.2 Quoting and 2.3 Token
Recognition): blanks, quotes and backslashes. Whatever else a shell would act on is refused where it
stands, not handed on as text, since whoever writes `make && make test` expects two commands.
"""

from __future__ import annotations

import re
from typing import Final

# What a shell acts on outside of quotes, with a word for people.
_ACTS: Final = {
    ";": "; (another command)",
    "&": "& (another command)",
    "|": "| (a pipe)",
    "<": "< (a redirection)",
    ">": "> (a redirection)",
    "(": "( (a group)",
    ")": ") (a group)",
    "$": "$ (a substitution)",
    "`": "` (a substitution)",
    "*": "* (a pattern of file names)",
    "?": "? (a pattern of file names)",
    "[": "[ (a pattern of file names)",
    "{": "{ (a group)",
    "}": "} (a group)",
    "!": "! (a negation)",
    "\n": "a line break (another command)",
    "\r": "a carriage return",
}
_BEGINS: Final = {"~": "~ (a home folder)", "#": "# (a comment)"}  # only where a word begins
_SHOWN_CHARS: Final = 60  # of a word that is refused; it may be as long as a file
_BLANKS: Final = " \t"
_ESCAPED_IN_DOUBLE: Final = '$`"\\'
# `NAME=value` in front of a command sets a variable for it.
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


class NeedsShell(ValueError):
    """A command that is more than one program with its arguments. Its text says what in it."""


def split_words(command: str) -> tuple[str, ...]:
    """Return the program and its arguments. Raises NeedsShell."""
    if "\0" in command:
        raise NeedsShell("has a NUL character")
    words = tuple(_Reader(command.strip("\n")).words())  # what a file or a pipe ends with
    if not words or not words[0]:
        raise NeedsShell("is empty" if not words else "names an empty program")
    if _ASSIGNMENT.match(words[0]):
        raise NeedsShell(f"begins with a variable, {words[0][:_SHOWN_CHARS]}")
    if words[0].startswith("-"):
        raise NeedsShell(f"begins with an option, {words[0][:_SHOWN_CHARS]}")
    return words


class _Reader:
    """Goes through a command once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def words(self) -> list[str]:
        found: list[str] = []
        while self._skip_blanks():
            found.append(self._word())
        return found

    def _skip_blanks(self) -> bool:
        while self._at < len(self._text) and self._text[self._at] in _BLANKS:
            self._at += 1
        return self._at < len(self._text)

    def _word(self) -> str:
        if begins := _BEGINS.get(self._text[self._at]):
            raise NeedsShell(f"has {begins}")
        parts: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in _BLANKS:
            parts.append(self._part())
        return "".join(parts)

    def _part(self) -> str:
        letter = self._next()
        if letter == "'":
            return self._single_quoted()
        if letter == '"':
            return self._double_quoted()
        if letter == "\\":
            if (escaped := self._next(or_else="ends in a backslash")) == "\n":
                raise NeedsShell(f"has {_ACTS[escaped]}")
            return escaped
        if acts := _ACTS.get(letter):
            raise NeedsShell(f"has {acts}")
        return letter

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise NeedsShell("has a quote without its end")
        quoted, self._at = self._text[self._at : end], end + 1
        return quoted

    def _double_quoted(self) -> str:
        parts: list[str] = []
        while (letter := self._next(or_else="has a quote without its end")) != '"':
            if letter in "$`":
                raise NeedsShell(f"has {_ACTS[letter]}")
            if letter == "\\":
                escaped = self._next(or_else="has a quote without its end")
                if escaped == "\n":
                    raise NeedsShell(f"has {_ACTS[escaped]}")
                letter = escaped if escaped in _ESCAPED_IN_DOUBLE else letter + escaped
            parts.append(letter)
        return "".join(parts)

    def _next(self, or_else: str = "") -> str:
        if self._at >= len(self._text):
            raise NeedsShell(or_else)
        self._at += 1
        return self._text[self._at - 1]
