"""What a secret may be called and hold, and which branches are meant."""

from __future__ import annotations

import pytest

from ci.secretrules import (
    branch_rules_problem,
    clean_value,
    is_on,
    value_problem,
    variable_problem,
)


@pytest.mark.parametrize("name", ["NPM_TOKEN", "_x1", "AWS_SECRET_ACCESS_KEY", "token"])
def test_a_usual_name_is_fine(name: str) -> None:
    """Of letters, digits and _."""
    assert variable_problem(name, None) is None


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "LD_PRELOAD", "GIT_SSH_COMMAND", "CI_BRANCH", "BASH_ENV", "BASH_FUNC_x"),
        *("PYTHONSTARTUP", "NODE_OPTIONS", "MAKEFLAGS", "https_proxy"),
        *("", "A=B", "A B", "1A", "Ä", "A\n", "A" * 101),
    ],
)
def test_a_name_that_does_more_than_hold_a_value_is_refused(name: str) -> None:
    """As is one that no shell can read."""
    assert variable_problem(name, None) is not None


def test_who_lists_names_allows_those_alone() -> None:
    """Also one that is dangerous: they said so."""
    rules = ("DEPLOY_*", "GIT_SSH_COMMAND")
    assert variable_problem("DEPLOY_KEY", rules) is None
    assert variable_problem("GIT_SSH_COMMAND", rules) is None
    assert "DEPLOY_*, GIT_SSH_COMMAND" in (variable_problem("NPM_TOKEN", rules) or "")
    assert variable_problem("MY_DEPLOY_KEY", rules) is not None
    assert variable_problem("ANY", ()) is not None


@pytest.mark.parametrize(
    "value",
    [
        *("", "1234567", "a" * 50, "abcabcabcabc", "s3cret\0 value", "x" * 9 + "\ud800abc"),
        *("a\nb\nc\nd\ne", "abc\nabc\nabc\n"),
    ],
)
def test_a_value_that_can_t_be_masked_is_refused(value: str) -> None:
    """And is not in the words about it."""
    problem = value_problem(value)
    assert problem is not None
    assert not value or value not in problem


def test_a_key_of_several_lines_is_a_value() -> None:
    """Without the ends of lines that a file or a form adds."""
    key = "-----BEGIN KEY-----\nabc\tdef\n-----END KEY-----"
    assert value_problem(key) is None
    assert clean_value(key.replace("\n", "\r\n") + "\r\n") == key
    assert value_problem("abcd" * 4096) is None
    assert value_problem("abcd" * 4096 + "e") is not None


@pytest.mark.parametrize(
    ("rules", "branch", "on"),
    [
        (("main",), "main", True),
        (("main",), "main2", False),
        (("main",), "maim", False),
        (("release/*",), "release/1.0", True),
        (("release/*",), "release/1.0/evil", False),
        (("release/*",), "my/release/1", False),
        (("m.in",), "main", False),
        (("*",), "any/branch/at-all", True),
        (("main", "v*"), "v2", True),
        ((), "main", False),
    ],
)
def test_a_star_is_part_of_one_step_of_a_branch(
    rules: tuple[str, ...], branch: str, on: bool
) -> None:
    """Alone it is all branches."""
    assert is_on(branch, rules) is on


@pytest.mark.parametrize("rules", [(), ("",), ("-x",), ("a..b",), ("a b",), ("m",) * 21])
def test_rules_that_no_branch_can_fit_are_refused(rules: tuple[str, ...]) -> None:
    """They are mistakes."""
    assert branch_rules_problem(rules) is not None
    assert branch_rules_problem(("main", "release/*", "*")) is None
