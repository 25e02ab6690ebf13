"""The picture of growth shows what was measured, where it belongs."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from bench.plot import LEFT, RIGHT, WIDTH, draw, read

SPACE = "{http://www.w3.org/2000/svg}"


def line(measure: str, **medians: float) -> str:
    """Make one line of a result."""
    figures = {name: {"median": median} for name, median in medians.items()}
    return json.dumps({"measure": measure, "figures": figures})


def test_what_is_drawn_is_read() -> None:
    """Only figures of the list, by the number of builds behind them."""
    result = [
        line("one", of_100_list_ms=9.0),
        line("list", of_100_list_ms=1.0, of_100_list_cpu_ms=7.0, of_1000000_list_ms=2.0),
        line("list", of_100_poll_ms=0.5),
    ]
    assert read("\n".join(result)) == {
        "list_ms": {100: 1.0, 1_000_000: 2.0},
        "poll_ms": {100: 0.5},
    }


def test_the_picture() -> None:
    """What is the same with all histories is a level line; ten times more is one step up."""
    flat, steep = (
        {100: 1.0, 10_000: 1.0, 1_000_000: 1.0},
        {100: 1.0, 10_000: 10.0, 1_000_000: 100.0},
    )
    picture = ET.fromstring(draw({"list_ms": flat, "api_ms": steep}))
    lines = [
        [tuple(map(float, point.split(","))) for point in each.attrib["points"].split()]
        for each in picture.iter(f"{SPACE}polyline")
        if each.attrib["stroke-width"] == "2"
    ]
    (api, kept) = lines
    assert [x for x, _ in kept] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert len({y for _, y in kept}) == 1
    assert api[0][1] == kept[0][1]
    assert abs((api[0][1] - api[1][1]) - (api[1][1] - api[2][1])) < 0.11
    assert api[0][1] - api[1][1] > 50
    words = [each.text for each in picture.iter(f"{SPACE}text")]
    assert "1,000,000" in words
    assert "the list, as it is kept" in words
    assert "the page of a build, made anew" not in words
