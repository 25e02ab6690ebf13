"""docs/operation.md lists every event that is logged, with its level and its values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parent.parent.parent
LEVELS: Final = {
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
EVERY_KEY: Final = "every key"  # of the settings, instead of a list of values

Line = tuple[str, str, str, frozenset[str]]  # event, who, level, values


BOTH: Final = ("agent", "server")


def _who(path: Path) -> tuple[str, ...]:
    """Which programs log what is in a file; the lines of a stand-in are nobody's alarm."""
    folder = path.relative_to(TOP / "ci").parts[0]
    if folder == "storage_api":
        return ()
    if folder == "web":
        return ("server",)
    return (folder,) if folder in BOTH else BOTH


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield every `log.LEVEL(…)`; a file may have another name for its logger."""
    loggers = set()
    for statement in tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr="get_logger"))
            ):
                loggers.add(name)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                if name in loggers:
                    yield method, node


def _in_code() -> set[Line]:
    found = set()
    for path in sorted((TOP / "ci").rglob("*.py")):
        for method, call in _calls(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.name}:{call.lineno}"
            assert method in LEVELS, f"{place}: log.{method} is no level"
            event = call.args[0]
            assert isinstance(event, ast.Constant), f"{place}: an event is a plain text"
            values = frozenset(keyword.arg or EVERY_KEY for keyword in call.keywords)
            found |= {(str(event.value), who, LEVELS[method], values) for who in _who(path)}
    return found


def _in_docs() -> set[Line]:
    text = (TOP / "docs" / "operation.md").read_text(encoding="utf-8")
    section = text.partition("\n## Log lines\n")[2].partition("\n## ")[0]
    table = section.partition("| event | who |")[2]
    found = set()
    for row in re.findall(r"^\| `([^`]+)` \| (\w+) \| (\w+) \|([^|]*)\|", table, re.MULTILINE):
        event, who, level, values = row
        names = re.findall(r"`(\w+)`", values) or [EVERY_KEY] * (EVERY_KEY in values)
        programs = BOTH if who == "both" else (who,)
        found |= {(event, program, level, frozenset(names)) for program in programs}
    return found


def test_every_event_is_in_the_table_and_the_other_way_round() -> None:
    """Level and values too: alarms and searches are made after the table."""
    code, docs = _in_code(), _in_docs()
    assert len(code) > 40
    missing = sorted(f"{line[:3]} {sorted(line[3])}" for line in code - docs)
    stale = sorted(f"{line[:3]} {sorted(line[3])}" for line in docs - code)
    assert not missing, f"docs/operation.md, Log lines, lacks {missing}"
    assert not stale, f"docs/operation.md, Log lines, tells what is not logged: {stale}"


def test_an_event_is_the_same_in_all_places() -> None:
    """Who is told twice of one event, is told with the same values."""
    code = _in_code()
    named = [(event, who) for event, who, *_ in code]
    assert sorted(named) == sorted(set(named))
