"""Where a repository is, and what of that is shown."""

from __future__ import annotations

import pytest

from ci.repository import Login, is_local, shown_url, split_login


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ada:secret@h/x", "https://h/x"),
        ("https://ada:sec@ret@h/x", "https://h/x"),
        ("https://ada:sec#r?t@h", "https://h"),
        ("https://token@h/a@b/c", "https://h/a@b/c"),
        ("fatal: 'http://a:b@h/x', and 'ssh://c:d@i/y'", "fatal: 'http://h/x', and 'ssh://i/y'"),
        ("ssh://git@h/x and SSH://ada@h/~/y", "ssh://git@h/x and SSH://ada@h/~/y"),
        ("ssh://a@b@h/x", "ssh://h/x"),
        ("git+ssh://ada@h:22/x, ssh://@h/x", "git+ssh://ada@h:22/x, ssh://h/x"),
        ("git@h:x", "git@h:x"),
        ("/srv/a@b", "/srv/a@b"),
    ],
)
def test_no_part_of_a_password_is_shown(text: str, shown: str) -> None:
    """Whatever letters it is made of; what only looks like one stays."""
    assert shown_url(text) == shown


@pytest.mark.parametrize(
    ("url", "plain", "login"),
    [
        ("https://h/x", "https://h/x", None),
        ("https://t@h/x", "https://h/x", Login("https://h", "t", None)),
        ("https://t:@h", "https://h", Login("https://h", "t", "")),
        ("HTTP://a%40b:c%2Fd%25@h:8/x", "HTTP://h:8/x", Login("HTTP://h:8", "a@b", "c/d%")),
        ("https://a:b@c@h/x", "https://h/x", Login("https://h", "a", "b@c")),
        ("ssh://git@h/x", "ssh://git@h/x", None),
        ("git@h:x", "git@h:x", None),
        ("/srv/a@b:c", "/srv/a@b:c", None),
    ],
)
def test_a_login_is_taken_out_of_an_address_of_http(
    url: str, plain: str, login: Login | None
) -> None:
    """Ssh needs the user's name where it is."""
    assert split_login(url) == (plain, login)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("/srv/x", True),
        ("x/y:z", True),
        ("file:///srv/x", True),
        ("FILE:///srv/x", True),
        ("host:x", False),
        ("git@host:x", False),
        ("https://h/x", False),
    ],
)
def test_which_repositories_are_of_this_machine(url: str, local: bool) -> None:
    """As git takes them."""
    assert is_local(url) is local
