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
    assert secret.shown == "own"
    for shown in (server_secret("own"), "token"):
        secret.check(bearer(shown))
    secret.note_used()
    for life in (secret, open_secret(tmp_path, "oak", "token"), open_secret(tmp_path, "oak", None)):
        life.check(bearer(server_secret("own")))
        for shown in ("token", "own", "", "None", "ncs_"):
            with pytest.raises(Unauthorized):
                life.check(bearer(shown))
    assert open_secret(tmp_path, "elm", "token").shown == "token"  # it has another name now


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
