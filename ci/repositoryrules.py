"""RepositoryPolicy: from which repositories builds may come.

A rule is an URL or a path, in which `*` stands for letters of one step, and at the end, behind a
slash, for all that lies below: `https://git.example.org/team/*`. What could lead elsewhere than it
seems, such as a step `..` or a `%`, fits no star. User names and passwords are not compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ci.policy import MAX_RULE_CHARS
from ci.repository import without_user

_LETTERS: Final = r"[\w.~+,=-]"  # of one step; a host ends at the others
_BELOW: Final = rf"{_LETTERS}+(?:/{_LETTERS}+)*/?"
_UPWARDS: Final = re.compile(r"(?:^|/)\.\.?(?:/|$)")
_SHOWN_RULES: Final = 8


@dataclass(frozen=True)
class RepositoryPolicy:
    """The rules of one side, of which one must fit; None: all repositories may be built."""

    rules: tuple[str, ...] | None = None

    def problem(self, url: str) -> str | None:
        """Say why nothing may be built of `url`, or None when it may."""
        if self.rules is None:
            return None
        url = without_user(url)
        if any(rule == url for rule in self.rules):
            return None
        if not _UPWARDS.search(url) and any(each.fullmatch(url) for each in self._patterns):
            return None
        named = ", ".join(self.rules[:_SHOWN_RULES]) or "none"
        more = ", …" if len(self.rules) > _SHOWN_RULES else ""
        return f"no rule allows {url}; there is {named}{more}"

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_compile(rule) for rule in self.rules or ())


ANYWHERE: Final = RepositoryPolicy()


def repository_rule_problem(rule: str) -> str | None:
    """Say why `rule` can't be one, or None when it can."""
    if len(rule) > MAX_RULE_CHARS:
        return f"{rule[:40]!r}… has {len(rule)} characters, at most {MAX_RULE_CHARS} are allowed"
    if not rule.isprintable():
        return f"{rule!r} has characters that can't be printed"
    if not rule.startswith("/") and ":" not in rule:
        return f"{rule!r} is no URL and no absolute path, such as https://git.example.org/team/*"
    if without_user(rule) != rule:
        problem = "has a user name or password, which is not compared; leave it out"
        return f"{without_user(rule)!r} {problem}"
    return None


def _compile(rule: str) -> re.Pattern[str]:
    above = rule.removesuffix("/*")
    pattern = f"{_LETTERS}+".join(re.escape(part) for part in above.split("*"))
    return re.compile(pattern + (f"/{_BELOW}" if above != rule else ""))
