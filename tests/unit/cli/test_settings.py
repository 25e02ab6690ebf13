"""Which server is asked: flags, environment, file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.cli.settings import DEFAULT_SERVER, Flags, Settings, load_settings, save_settings
from ci.errors import ConfigError


def home(tmp_path: Path, **kept: str) -> dict[str, str]:
    """Make an environment whose file holds `kept`."""
    folder = tmp_path / "nursery-ci"
    folder.mkdir(parents=True)
    file = folder / "client.json"
    file.write_text(json.dumps(kept))
    file.chmod(0o600)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_with_nothing_said_it_is_the_server_of_this_machine(tmp_path: Path) -> None:
    """That of `make run`."""
    settings, warnings = load_settings(Flags(), {"HOME": str(tmp_path)})
    assert (settings, warnings) == (Settings(), [])
    assert settings.server == DEFAULT_SERVER


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each alone; a slash at the end of an address makes no difference."""
    environment = home(tmp_path, server="http://127.0.0.1:1", token="file")
    assert load_settings(Flags(), environment)[0].token == "file"
    environment |= {"CI_TOKEN": "variable"}
    assert load_settings(Flags(), environment)[0].token == "variable"
    settings, _ = load_settings(Flags("https://ci.example.org/", "flag"), environment)
    assert (settings.server, settings.token) == ("https://ci.example.org", "flag")


def test_a_token_of_the_file_goes_to_no_other_server(tmp_path: Path) -> None:
    """Whoever names another one has to name its token as well."""
    environment = home(tmp_path, server="http://127.0.0.1:1", token="file")
    assert load_settings(Flags("http://127.0.0.1:2"), environment)[0].token is None
    assert load_settings(Flags("http://127.0.0.1:1/"), environment)[0].token == "file"


def test_a_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    """It holds a token."""
    environment = home(tmp_path, token="file")
    (tmp_path / "nursery-ci" / "client.json").chmod(0o640)
    _, [warning] = load_settings(Flags(), environment)
    assert "chmod 600" in warning


def test_what_is_saved_is_read_again_by_its_owner_alone(tmp_path: Path) -> None:
    """The folder is made; an older file is replaced."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "new")}
    for token in ("first", "second"):
        path = save_settings(Settings(server="http://127.0.0.1:1", token=token), environment)
    assert path.stat().st_mode & 0o777 == 0o600
    settings, warnings = load_settings(Flags(), environment)
    assert (settings.server, settings.token, warnings) == ("http://127.0.0.1:1", "second", [])


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("ci.example.org", "must be an address such as"),
        ("yes", "must be an address such as"),
        ("ftp://ci", "must be an address such as"),
        ("https://a:b@ci", "must be an address such as"),
        ("https://ci/api", "must be without a path"),
        ("https://ci:x", "is no address"),
    ],
)
def test_an_address_that_is_none_is_told(tmp_path: Path, server: str, problem: str) -> None:
    """With the place where it stands."""
    with pytest.raises(ConfigError, match=problem) as caught:
        load_settings(Flags(), {"HOME": str(tmp_path), "CI_SERVER": server})
    assert str(caught.value).startswith(f"CI_SERVER: server = {server!r}")


@pytest.mark.parametrize("text", ["{", "[]", '{"server": 1}', '{"serer": "x"}'])
def test_a_broken_file_is_told(tmp_path: Path, text: str) -> None:
    """With its name."""
    environment = home(tmp_path)
    (tmp_path / "nursery-ci" / "client.json").write_text(text)
    with pytest.raises(ConfigError, match=r"client\.json: "):
        load_settings(Flags(), environment)


def test_a_wrong_token_is_not_shown(tmp_path: Path) -> None:
    """It may be nearly right."""
    with pytest.raises(ConfigError) as caught:
        load_settings(Flags(token="my secret"), {"HOME": str(tmp_path)})
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("--token: token: ")
