"""What a secret may be called and hold, and which branches its rules mean. Pure.

A rule names a branch. `*` in it stands for letters of one step of the name; alone, for all names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from ci.model import commit_problem

MIN_VALUE_CHARS: Final = 8  # what is shorter stands by chance in any log, and is quickly guessed
MIN_DIFFERENT_CHARS: Final = 4  # of a row of one letter nobody can say where it begins
MAX_VALUE_BYTES: Final = 16 << 10  # the key of a server has some 3 kB
MAX_SECRETS: Final = 30  # of one repository: all of them go into one request, below its limit
MAX_BRANCH_RULES: Final = 20
ALL_BRANCHES: Final = "*"
MAX_NAME_CHARS: Final = 100

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IN_A_STEP: Final = r"[^/]*"
# What makes shells, loaders, tools or git do other things than the command says. `*`: any letters.
DANGEROUS_NAMES: Final = (
    *("PATH", "HOME", "SHELL", "ENV", "IFS", "CDPATH", "PS4", "PWD", "TMPDIR"),
    *("BASH*", "LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH", "TERMINFO*", "GIT_*", "SSH_ASKPASS"),
    *("CI", "CI_*", "PYTHON*", "PERL5*", "PERLLIB", "RUBYLIB", "RUBYOPT", "NODE_OPTIONS"),
    *("NODE_PATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "MAKEFLAGS"),
    *("MFLAGS", "MAKEFILES", "*_PROXY", "*_proxy"),
)


def variable_problem(name: str, allowed: Collection[str] | None) -> str | None:
    """Say why a build's environment must not be given this variable, or None when it may.

    `allowed` are rules in which `*` stands for any letters; None: all but the dangerous ones.
    """
    if not _NAME.fullmatch(name):
        return "must be of letters, digits and _, and begin with none of the digits"
    if len(name) > MAX_NAME_CHARS:
        return f"has more than {MAX_NAME_CHARS} characters"
    if allowed is not None:
        if not _fits_any(name, allowed, ".*"):
            return f"no rule of environmentNames allows it; there is {', '.join(allowed) or 'none'}"
    elif _fits_any(name, DANGEROUS_NAMES, ".*"):
        return "it could change what programs do, unless a rule of environmentNames allows it"
    return None


def clean_value(value: str) -> str:
    """Return a value as it is kept: forms and files add ends of lines that nobody means."""
    return value.replace("\r\n", "\n").strip("\n")


def value_problem(value: str) -> str | None:
    """Say what is wrong with the value of a secret, or None. It is never repeated."""
    joined = value.replace("\n", "")  # as it is looked for
    if len(joined) < MIN_VALUE_CHARS:
        return f"has fewer than {MIN_VALUE_CHARS} characters, so it can't be masked in a log"
    if len(set(joined)) < MIN_DIFFERENT_CHARS:
        return f"has fewer than {MIN_DIFFERENT_CHARS} different characters: it can't be masked"
    if len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE_BYTES:
        return f"has more than {MAX_VALUE_BYTES} bytes"
    if not all(char.isprintable() or char in "\n\t" for char in value):
        return "has characters that can't be printed"
    return None


def branch_rules_problem(rules: Collection[str]) -> str | None:
    """Say why these can't say on which branches a commit must be, or None when they can."""
    if not rules:
        return f"are missing; say {ALL_BRANCHES} for all of them"
    if len(rules) > MAX_BRANCH_RULES:
        return f"are {len(rules)}, at most {MAX_BRANCH_RULES} are allowed"
    for rule in rules:
        if problem := commit_problem(rule.replace("*", "x")):
            return f"{rule[:50]!r} {problem}"
    return None


def is_on(branch: str, rules: Iterable[str]) -> bool:
    """Whether one of the rules means this branch."""
    return any(rule == ALL_BRANCHES or _fits(branch, rule, _IN_A_STEP) for rule in rules)


def _fits_any(name: str, rules: Iterable[str], star: str) -> bool:
    return any(_fits(name, rule, star) for rule in rules)


def _fits(name: str, rule: str, star: str) -> bool:
    return re.fullmatch(star.join(map(re.escape, rule.split("*"))), name) is not None
