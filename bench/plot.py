"""Draw how what one waits for grows with the history: from a result of `list` to a picture.

python -m bench.plot RESULT.jsonl docs/growth.svg
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

# What is drawn, by the name of its figure, with its word and colour.
LINES: Final = {
    "one_end_ms": ("a trivial build, from the question to its end", "#8250df"),
    "list_anew_ms": ("the list, made anew", "#0969da"),
    "build_anew_ms": ("the page of a build, made anew", "#1a7f37"),
    "api_ms": ("the API's list", "#bc4c00"),
    "list_ms": ("the list, as it is kept", "#57a0f0"),
    "poll_ms": ("an open page's question, nothing new", "#7d8590"),
}
WIDTH: Final = 760
HEIGHT: Final = 420
LEFT: Final = 70  # margins: for the times,
RIGHT: Final = 300  # for what the lines are,
BOTTOM: Final = 40  # for the numbers of builds
TOP: Final = 20
GREY: Final = "#7d8590"  # is read on white and on black
_NAME: Final = re.compile(r"of_(\d+)_(.+)")
Points = dict[str, dict[int, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw it and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    wanted = parser.parse_args(arguments)
    points = read(wanted.result.read_text(encoding="utf-8"))
    wanted.picture.write_text(draw(points), encoding="utf-8")
    return 0


def read(result: str) -> Points:
    """Take the medians that are drawn out of a result: for each name, by the number of builds."""
    points: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for line in map(json.loads, result.splitlines()):
        for name, values in line["figures"].items() if line["measure"] == "list" else ():
            match = _NAME.fullmatch(name)
            if match is not None and match[2] in LINES:
                points[match[2]][int(match[1])] = values["median"]
    return dict(points)


def draw(points: Points) -> str:
    """Return the picture; both axes are logarithmic."""
    builds = sorted({count for line in points.values() for count in line})
    most = max(time for line in points.values() for time in line.values())
    top = 10 ** math.ceil(math.log10(most))
    bottom = 0.1  # ms; nothing is quicker
    across = math.log10(builds[-1] / builds[0]) or 1.0

    def x(count: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(count / builds[0]) / across

    def y(time: float) -> float:
        share = math.log10(time / bottom) / math.log10(top / bottom)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def parts() -> Iterator[str]:
        time = bottom
        while time <= top:
            yield _line([(LEFT, y(time)), (WIDTH - RIGHT, y(time))], GREY, 0.3)
            yield _text(LEFT - 8, y(time) + 4, f"{time:g} ms", GREY, "end")
            time *= 10
        for count in builds:
            yield _text(x(count), HEIGHT - BOTTOM + 20, f"{count:,}", GREY, "middle")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "builds in the history", GREY, "middle")
        for nth, (name, (words, colour)) in enumerate(LINES.items()):
            if found := sorted(points.get(name, {}).items()):
                yield _line([(x(count), y(time)) for count, time in found], colour, 2)
                yield _text(WIDTH - RIGHT + 16, TOP + 20 + 22 * nth, words, colour, "start")

    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    style = 'font-family="system-ui, sans-serif" font-size="13"'
    shown = "\n".join(parts())
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{shown}\n</svg>\n'


def _line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text {place} fill="{colour}" text-anchor="{anchor}">{words}</text>'


if __name__ == "__main__":
    sys.exit(main())
