"""What `init` and `password` make, say, and leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.server import init
from ci.server.main import main
from tests.unit.server.people.world import log_in, open_people, role_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(word: str, *arguments: str) -> int:
    """Run the command."""
    return init.main(word, arguments)


def password_in(said: str) -> str:
    """Take the password out of what was said."""
    return said.partition("Password: ")[2].split()[0]


async def can_log_in(folder: Path, name: str, password: str) -> bool:
    """Whether that is the account's password, by the hasher of a real server."""
    async with open_people(folder / "data" / "server") as people:
        return role_of(people, await log_in(people, name, password)) is not None


def test_it_makes_all_that_is_needed_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in the file already stays, and nobody else can read it."""
    file = folder / "server-conf.json"
    file.write_text('{"host": "0.0.0.0"}')
    file.chmod(0o644)
    assert run("init", "--admin", "boss") == 0
    assert "Administrator: boss. Password: " in capsys.readouterr().out
    settings = json.loads(file.read_text())
    assert settings["host"] == "0.0.0.0"
    assert len(settings["agentToken"]) > 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert (folder / "data" / "server.key").stat().st_mode & 0o777 == 0o600
    assert run("init", "--admin", "other") == 0
    said = capsys.readouterr().out
    assert "there is one already" in said
    assert "Administrator: boss. Lost the password?" in said
    assert json.loads(file.read_text()) == settings


def test_the_token_is_not_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in the file, and not on a screen that others see."""
    assert run("init", "--config", "other.json") != 0  # a file that is named must be there
    (folder / "other.json").write_text("{}")
    assert run("init", "--config", "other.json") == 0
    token = json.loads((folder / "other.json").read_text())["agentToken"]
    assert not (folder / "server-conf.json").exists()
    assert token not in capsys.readouterr().out


async def test_a_lost_password_is_made_anew(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are hashed as the server does; what is wrong is said in a line."""
    import trio  # noqa: PLC0415 - for its thread

    await trio.to_thread.run_sync(run, "init")
    first = password_in(capsys.readouterr().out)
    assert await can_log_in(folder, "admin", first)
    await trio.to_thread.run_sync(run, "password", "admin")
    second = password_in(capsys.readouterr().out)
    assert await can_log_in(folder, "admin", second)
    assert await trio.to_thread.run_sync(run, "password", "bob") == 2
    assert capsys.readouterr().err == (
        "nursery-ci server password: there is no account 'bob'; there is: admin\n"
    )


def test_the_words_come_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `python -m ci.server init`."""
    monkeypatch.setattr("sys.argv", ["ci.server", "init", "--data-dir", "other"])
    assert main() == 0
    assert "Key file: other.key" in capsys.readouterr().out
