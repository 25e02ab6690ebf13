"""From which repositories builds may come."""

from __future__ import annotations

import pytest

from ci.repositoryrules import RepositoryPolicy, repository_rule_problem

TEAM = "https://git.example.org/team/*"


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        (TEAM, "https://git.example.org/team/project.git"),
        (TEAM, "https://git.example.org/team/a/b/c"),
        (TEAM, "https://ada:secret@git.example.org/team/project.git"),
        ("https://git.example.org/*/docs.git", "https://git.example.org/team/docs.git"),
        ("https://*.example.org/a", "https://git.example.org/a"),
        ("git@git.example.org:team/*", "git@git.example.org:team/project.git"),
        ("/srv/git/*", "/srv/git/demo"),
        ("/srv/git/demo", "/srv/git/demo"),
        ("https://h/what is%20it?", "https://h/what is%20it?"),
    ],
)
def test_a_rule_lets_in_what_fits(rule: str, url: str) -> None:
    """An address, or all that is below one."""
    assert RepositoryPolicy((rule,)).problem(url) is None


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        (TEAM, "https://git.example.org/team"),
        (TEAM, "https://git.example.org/team/"),
        (TEAM, "https://git.example.org/other/project.git"),
        (TEAM, "https://git.example.org/team/../other/project.git"),
        (TEAM, "https://git.example.org/team/%2e%2e/other/project.git"),
        (TEAM, "https://git.example.org/team/x?/../../other"),
        (TEAM, "https://git.example.org/team/./x"),
        (TEAM, "https://git.example.org/team//x"),
        (TEAM, "https://git.example.org/team/..\\x"),
        (TEAM, "http://git.example.org/team/project.git"),
        (TEAM, "https://git.example.org@evil.example/team/project.git"),
        (TEAM, "https://git.example.org.evil.example/team/project.git"),
        (TEAM, "https://git.example.org:8443/team/project.git"),
        (TEAM, "https://gitXexample.org/team/project.git"),
        ("https://*.example.org/a", "https://evil.example/.example.org/a"),
        ("https://*.example.org/a", "https://evil.example?.example.org/a"),
        ("https://*.example.org/a", "https://evil.example#.example.org/a"),
        ("https://*.example.org/a", "https://evil.example:80.example.org/a"),
        ("https://*.example.org/a", "https://evil.example\\.example.org/a"),
        ("/srv/git/*", "/srv/git/../../etc"),
        ("/srv/git/*", "file:///srv/git/demo"),
        ("/srv/git/*", "/srv/git/a\nb"),
    ],
)
def test_what_only_looks_like_it_is_refused(rule: str, url: str) -> None:
    """Another host, a way out, another scheme."""
    problem = RepositoryPolicy((rule,)).problem(url)
    assert problem is not None
    assert f"there is {rule}" in problem


def test_no_password_is_told() -> None:
    """The sentence stands on pages."""
    problem = RepositoryPolicy(("/srv/*",)).problem("https://ada:secret@h/x")
    assert problem == "no rule allows https://h/x; there is /srv/*"


def test_without_rules_all_may_be_built_and_with_none_nothing() -> None:
    """An empty list is a list."""
    assert RepositoryPolicy().problem("https://h/x") is None
    assert "there is none" in (RepositoryPolicy(()).problem("https://h/x") or "")


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("", "no URL"),
        ("team/*", "no URL"),
        ("https://ada@h/x", "user name or password"),
        ("https://h/\x01", "can't be printed"),
        ("/" + "x" * 500, "501 characters"),
    ],
)
def test_what_is_no_rule(rule: str, what: str) -> None:
    """Said when the configuration is read."""
    assert what in (repository_rule_problem(rule) or "")
