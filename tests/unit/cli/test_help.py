"""Every command and flag of `ci` is documented, and the installed command is this one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from ci.cli import codes
from ci.cli.main import commands, main

TOP = Path(__file__).parent.parent.parent.parent
TEXT = (TOP / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_is_documented(name: str) -> None:
    """With each of its flags, in code style."""
    assert f"`ci {name}" in TEXT
    flags = [
        flag
        for parameter in commands.commands[name].params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
    ]
    missing = [flag for flag in flags if f"`{flag}`" not in TEXT and f"{flag} " not in TEXT]
    assert not missing


def test_every_exit_code_is_documented() -> None:
    """Ours, in the table."""
    ours = {code for name, code in vars(codes).items() if name.isupper() and name[0] != "_"}
    assert {122, 125} <= ours
    assert ours <= {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}


def test_the_installed_command_is_this_one() -> None:
    """Under its own name."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"ci": f"{main.__module__}:{main.__name__}"}


def test_programs_get_the_types() -> None:
    """Without that file a checker takes nothing of `ci.client` for granted (PEP 561)."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["ci"]
    assert (TOP / "ci" / "py.typed").exists()
