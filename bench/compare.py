"""Compare two results of `python -m bench`: what has changed by more than the machine does.

    python -m bench.compare OLD.jsonl NEW.jsonl

A file may have several runs of a measure; their figures are joined, and the spread grows by what
lies between them. A difference counts when the two spreads do not touch. Of a figure with a single
sample nobody knows the spread: measure again into the same file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, is_better_high, join

Key = tuple[str, str, str]  # measure, size, figure
SAME: Final = "within the spread"
UNKNOWN: Final = "spread unknown"
QUIET_CORES: Final = 0.2  # used by others: below that, what the system does by itself
TRUSTED: Final = "*_cpu_ms"
# What should be equal on both sides, or the comparison says little.
CIRCUMSTANCES: Final = ("cores", "processor", "kernel", "python", "disk", "sandbox")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    wanted = parser.parse_args(arguments)
    old, new = (_read(path) for path in (wanted.old, wanted.new))
    for line in (*circumstances(old, new), "", *table(figures(old), figures(new))):
        print(line)  # noqa: T201 - the result
    return 0


Line = dict[str, Any]


def _read(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def figures(lines: Sequence[Line]) -> dict[Key, Figure]:
    """Return all figures of a result, each measure's runs joined."""
    found: defaultdict[Key, list[Figure]] = defaultdict(list)
    for line in lines:
        for name, values in line["figures"].items():
            found[line["measure"], line["size"], name].append(Figure(**values))
    return {key: join(each) for key, each in found.items()}


def circumstances(old: Sequence[Line], new: Sequence[Line]) -> Iterator[str]:
    """Say what was compared, and in what the machines differ."""
    for name, lines in (("old", old), ("new", new)):
        commits = sorted({_commit(line["machine"]) for line in lines})
        loads = [line["machine"][when] for line in lines for when in ("load_before", "load_after")]
        yield f"{name}: {', '.join(commits)}; load average {min(loads)} to {max(loads)}"
        # The first results do not have it.
        others = max(line["machine"].get("others_cores", 0.0) for line in lines)
        if others > QUIET_CORES:
            yield f"  others have used up to {others:g} cores: trust {TRUSTED} most, and no time"
    for name in CIRCUMSTANCES:
        before, after = ({str(line["machine"][name]) for line in lines} for lines in (old, new))
        if before != after:
            yield f"{name} differs: {', '.join(sorted(before))}; now {', '.join(sorted(after))}"


def table(old: dict[Key, Figure], new: dict[Key, Figure]) -> Iterator[str]:
    """Yield the lines of the table: what both have, then what only one of them has."""
    rows = [("measure", "old", "new", "ratio", "")]
    for key in sorted(old.keys() & new.keys()):
        before, after = old[key], new[key]
        ratio = f"{after.median / before.median:.2f}" if before.median else "-"
        rows.append((_name(key), _shown(before), _shown(after), ratio, verdict(key, before, after)))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        name, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield "  ".join((name, *others, row[4])).rstrip()
    for where, more, less in (("old", old, new), ("new", new, old)):
        for key in sorted(more.keys() - less.keys()):
            yield f"{_name(key)}: only in {where}: {_shown(more[key])}"


def verdict(key: Key, old: Figure, new: Figure) -> str:
    """Say whether it got better or worse, or why that can't be said."""
    if min(old.count, new.count) < 2:
        return UNKNOWN
    if new.low <= old.high and old.low <= new.high:
        return SAME
    return "better" if (new.median > old.median) == is_better_high(key[2]) else "WORSE"


def _commit(machine: dict[str, Any]) -> str:
    return f"{machine['commit'] or 'no commit'}{' with changes' if machine['changed'] else ''}"


def _name(key: Key) -> str:
    measure, size, name = key
    return f"{measure} {name}" if size == "usual" else f"{measure} {name} ({size})"


def _shown(found: Figure) -> str:
    return f"{found.median:g} ({found.low:g}..{found.high:g})"


if __name__ == "__main__":
    sys.exit(main())
