"""What an agent keeps of its credential, and what it makes of a file that it did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.agent.secret import FILE, open_secret
from ci.errors import ConfigError, Unauthorized
from ci.wire.token import server_secret


def bearer(secret: str) -> str:
    """Write the header."""
    return f"Bearer {secret}"


async def test_it_counts_alone_once_the_server_uses_it(tmp_path: Path) -> None:
    """Until then the server may still show the token; a next life starts with the credential."""
    secret = open_secret(tmp_path, "oak", "token")
    await secret.keep("own")
    assert secret.badge is not secret.token_badge
    for shown in (server_secret("own"), "token"):
        secret.check(bearer(shown))
    await secret.note_used()
    for life in (secret, open_secret(tmp_path, "oak", "token"), open_secret(tmp_path, "oak", None)):
        life.check(bearer(server_secret("own")))
        for shown in ("token", "own", "", "None", "ncs_"):
            with pytest.raises(Unauthorized):
                life.check(bearer(shown))
    elm = open_secret(tmp_path, "elm", "token")
    assert elm.badge is elm.token_badge  # it has another name now


async def test_before_that_the_server_need_not_show_the_token(tmp_path: Path) -> None:
    """If we have proved that we have it, the server shows what is made of it."""
    secret = open_secret(tmp_path, "oak", "token")
    secret.check(bearer(server_secret("token")))
    with pytest.raises(Unauthorized):
        secret.check(bearer(server_secret("other")))


async def test_with_one_to_prove_nothing_that_is_shown_counts(tmp_path: Path) -> None:
    """Once the server uses it; and from the first moment on nobody else's answer."""
    secret = open_secret(tmp_path, "oak", "token")
    await secret.keep("ncp_b2Fr.1")
    secret.check(bearer(server_secret("token")))  # the server does not know that we have kept it
    await secret.note_used()
    for shown in ("token", server_secret("token"), "ncp_b2Fr.1", server_secret("ncp_b2Fr.1"), ""):
        with pytest.raises(Unauthorized):
            secret.check(bearer(shown))
    secret.check(bearer("token"), to_look=True)
    assert open_secret(tmp_path, "oak", None).trust.proves


async def test_that_the_server_proves_itself_is_remembered(tmp_path: Path) -> None:
    """By the next life too, which then shows nothing to anybody; a file of before tells nothing."""
    (tmp_path / FILE).write_text('{"agent": "oak", "credential": "nca_b2Fr.1"}')
    secret = open_secret(tmp_path, "oak", "token")
    await secret.note_used()
    assert not open_secret(tmp_path, "oak", "token").trust.proves
    secret.trust.proves = True
    await secret.note_used()
    assert open_secret(tmp_path, "oak", "token").trust.proves
    assert open_secret(tmp_path, "oak", "token").own == "nca_b2Fr.1"
    elm = open_secret(tmp_path, "elm", "token")
    assert elm.own is None
    assert elm.trust.proves, "by another name it does not show the token either"


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Nor is half of it ever there."""
    secret = open_secret(tmp_path, "oak", "token")
    (tmp_path / f"{FILE}.new").write_text("half of an earlier one")
    await secret.keep("own")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "junk", "[]", "{}", '{"agent": "oak"}'])
def test_what_it_did_not_write_is_said(tmp_path: Path, text: str) -> None:
    """One line that says what to do."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"remove it, and let the agent enrol"):
        open_secret(tmp_path, "oak", "token")
