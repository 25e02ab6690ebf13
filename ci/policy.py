"""CommandPolicy: which commands may run.

Under a policy a command is one program with its arguments; it runs without a shell (`ci/words.py`).
A rule is a pattern: words as in a command, in which `*` stands for any letters, and for any further
words where it is the last word. `build-tools` stands for all of `ci/buildtools.py`.

A rule limits what somebody may *ask for*. What a Makefile or a script of the repository does is up
to those who may commit there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from ci.buildtools import BUILD_TOOLS
from ci.words import NeedsShell, split_words

ANY: Final = "any"
TOOLS: Final = "build-tools"
MAX_RULE_CHARS: Final = 500
_SHOWN_RULES: Final = 8  # in a refusal; who wants all looks at the page of the rules


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of a command. `rule` is what let it in, or says what kept it out."""

    allowed: bool
    rule: str
    words: tuple[str, ...] | None = None  # to be run without a shell; None: by one

    def __bool__(self) -> bool:
        """Whether the command may run."""
        return self.allowed


@dataclass(frozen=True)
class CommandPolicy:
    """The rules of one side: `any`, or patterns of which one must fit. `why` they are in force."""

    rules: tuple[str, ...] = (ANY,)
    why: str = field(default="", compare=False)

    @property
    def allows_any(self) -> bool:
        """Whether there is no limit, so that commands run by a shell."""
        return ANY in self.rules

    def judge(self, command: str, *, shell: bool = True) -> Verdict:
        """Say whether `command` may run, and by which rule; without a `shell` it gets none."""
        if self.allows_any and shell:
            return Verdict(True, ANY)
        try:
            words = split_words(command)
        except NeedsShell as refusal:
            why = f"it {refusal}; only one program with its arguments may run here"
            return Verdict(False, f"{why}, without a shell")
        if self.allows_any:
            return Verdict(True, ANY, words)
        if TOOLS in self.rules:
            for tool in BUILD_TOOLS:
                if tool.fits(words):
                    return Verdict(True, tool.shown, words)
        for rule, pattern in self._patterns:
            if _fits(pattern, words):
                return Verdict(True, rule, words)
        return Verdict(False, self._none_fits(words))

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """All rules as people read them, each build tool for itself."""
        return tuple(
            shown
            for rule in self.rules
            for shown in ([tool.shown for tool in BUILD_TOOLS] if rule == TOOLS else [rule])
        )

    @cached_property
    def _patterns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        own = (rule for rule in self.rules if rule not in (ANY, TOOLS))
        return tuple((rule, _rule_words(rule)) for rule in own)

    def _none_fits(self, words: Sequence[str]) -> str:
        """Name the rules that were meant to let such a command in, or all."""
        near = [rule for rule in self.shown if rule.split()[0] == words[0]] or list(self.shown)
        named = ", ".join(near[:_SHOWN_RULES]) + (", …" if len(near) > _SHOWN_RULES else "")
        return f"no rule allows it; there is {named or 'none'}"


def policy_in_force(
    rules: tuple[str, ...] | None, reached: str | None, unheld: str
) -> CommandPolicy:
    """Who can be reached from other machines runs build commands only, unless told otherwise.

    `reached` says how others come here, None that they can't; `unheld` why no sandbox counts.
    """
    if rules is not None:
        return CommandPolicy(rules, "the setting commands says so")
    if reached is None:
        return CommandPolicy((ANY,), "only this machine comes here")
    return CommandPolicy((TOOLS,), f"{reached}, and {unheld}")


def forbidden(whose: str, what: str, why: str) -> str:
    """Make the sentence for who asked for a build that the rules don't allow."""
    return f"The {whose}'s rules don't allow this {what}: {why}."


def rule_problem(rule: str) -> str | None:
    """Say why `rule` can't be one, or None when it can."""
    if rule in (ANY, TOOLS):
        return None
    if len(rule) > MAX_RULE_CHARS:
        return f"{rule[:40]!r}… has {len(rule)} characters, at most {MAX_RULE_CHARS} are allowed"
    if not rule.isprintable():
        return f"{rule!r} has characters that can't be printed"
    try:
        words = _rule_words(rule)
    except NeedsShell as refusal:
        return f"{rule!r} {refusal}; a rule is a program with its arguments, such as 'make *'"
    if _STAR in words[0]:
        return f"{rule!r} has no fixed program; name one, such as 'make *', or say 'any'"
    return None


# A star of a rule while it is split: to a shell it would be a file name. No rule has this letter.
_STAR: Final = "\1"


def _rule_words(rule: str) -> tuple[str, ...]:
    return split_words(rule.replace("*", _STAR))


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    if pattern[-1] == _STAR:
        pattern = pattern[:-1]
        words = [*words[: len(pattern)]]
    return len(pattern) == len(words) and all(map(_word_fits, pattern, words))


def _word_fits(pattern: str, word: str) -> bool:
    """Compare in one go from left to right: a long word must not take long, as by a regex."""
    first, *others = pattern.split(_STAR)
    if not others:
        return word == first
    *middle, last = others
    end = len(word) - len(last)
    at = len(first)
    if at > end or not word.startswith(first) or not word.endswith(last):
        return False
    for part in middle:
        found = word.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
