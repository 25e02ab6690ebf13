"""`python -m ci.server secret`: secrets from a shell, never as an argument."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ci.server.main import main

VALUE = "-----BEGIN KEY-----\na secret line\n-----END KEY-----"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder of its own, with a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server-conf.json").write_text('{"repository": "/srv/git/demo"}')
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str, said: bytes = b"") -> int:
    """Run the command with something on its standard input."""
    monkeypatch.setattr(sys, "argv", ["server", "secret", *words])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said)))
    return main()


def test_a_secret_is_set_listed_and_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its value is in no output, and in no file but sealed."""
    value = VALUE.encode() + b"\n"
    words = ("set", "KEY", "--branches", "main,release/*", "--only", "make deploy")
    assert run(monkeypatch, *words, said=value) == 0
    assert run(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    assert "KEY of /srv/git/demo: branches main, release/*; commands make deploy; last sent" in out
    (folder / "data" / "server.key").unlink()
    assert run(monkeypatch, "list") == 0
    said = capsys.readouterr()
    assert "lost: the key file is another one" in said.out
    assert "secret line" not in out + said.out + said.err
    for path in folder.rglob("*"):
        assert path.is_dir() or b"secret line" not in path.read_bytes()
    assert run(monkeypatch, "remove", "KEY") == 0
    assert run(monkeypatch, "list") == 0
    assert "There are none." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said", "why"),
    [
        (("set", "KEY", "--branches", "main"), b"short", "value: has fewer than 8"),
        (("set", "KEY", "--branches", "main"), b"\xff" * 20, "value: is not text in UTF-8"),
        (("set", "PATH", "--branches", "main"), b"long enough", "name: it could change"),
        (("set", "KEY", "--branches", "main", "--for", "x"), b"long enough", "repository: 'x'"),
        (("remove", "KEY"), b"", "there is no secret KEY of /srv/git/demo"),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: bytes,
    why: str,
) -> None:
    """And the exit code is 2; the value is not in it."""
    assert run(monkeypatch, *words, said=said) == 2
    err = capsys.readouterr().err
    assert why in err
    assert len(err.splitlines()) == 1
    assert "long enough" not in err
