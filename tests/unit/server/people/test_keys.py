"""The key file: made once, read by nobody else, and never half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import ConfigError
from ci.server.people.keys import open_keys


def test_it_is_made_once(tmp_path: Path) -> None:
    """In a folder that need not be there; for its owner alone; nothing else is left beside it."""
    path = tmp_path / "new" / "server.key"
    keys = open_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert open_keys(path).derive("session") == keys.derive("session")
    assert keys.derive("session") != keys.derive("secrets")
    assert open_keys(tmp_path / "other").derive("session") != keys.derive("session")


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "x" * 64, "\x00" * 64])
def test_one_that_is_broken_is_said(tmp_path: Path, text: str) -> None:
    """It is not replaced: that would end every session, and make secrets unreadable."""
    path = tmp_path / "server.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="hexadecimal digits; restore it"):
        open_keys(path)
    assert path.read_text() == text


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As ssh does, with what to do."""
    path = tmp_path / "server.key"
    open_keys(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_keys(path)


def test_a_place_where_none_can_be_is_said(tmp_path: Path) -> None:
    """In words for a person."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"keyFile = .* can't be read or made"):
        open_keys(tmp_path / "file" / "server.key")
