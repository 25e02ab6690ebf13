"""requirements.lock: what a release is installed from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parent.parent.parent
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_LOCKED: Final = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+?)(?: ; ([^\\]*))? \\$", re.MULTILINE)


def _lock() -> str:
    return (TOP / "requirements.lock").read_text(encoding="utf-8")


def test_every_dependency_is_locked() -> None:
    """Whoever adds one to pyproject.toml runs `make lock`."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {match[0].lower() for line in project["dependencies"] if (match := _NAME.match(line))}
    locked = {name for name, _, _ in _LOCKED.findall(_lock())}
    assert len(locked) > len(wanted) > 10
    assert wanted - locked == set(), "run `make lock`"


def test_every_package_has_hashes_and_no_origin() -> None:
    """So it does not matter who serves a file; and it is nobody's business whence we had it."""
    blocks = re.split(r"\n(?=[a-z0-9])", _lock())[1:]
    assert blocks
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.partition(" ")[0]
    assert "://" not in _lock()
    assert "index" not in _lock()
