"""docs/threats.md names the tests that try each way: they are there."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parent.parent.parent


def test_every_test_that_is_named_is_there() -> None:
    """A table that tells of tests which nobody finds is a wish."""
    text = (TOP / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line.split("|")[4] for line in text.splitlines() if line.count("|") == 5]
    tried = [row for row in rows if "tried in" not in row and "---" not in row]
    named = {name for row in tried for name in re.findall(r"`([\w/]+)`", row)}
    there = {path.name for path in (TOP / "tests").rglob("test_*.py")}
    assert len(named) > 20
    assert sorted(name for name in named if f"test_{name.split('/')[-1]}.py" not in there) == []
    assert all("`" in row for row in tried), "each way is tried somewhere"
