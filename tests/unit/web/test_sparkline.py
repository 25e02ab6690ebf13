"""A drawing of shares is a path that any browser can draw."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ci.web.sparkline import HEIGHT, LEAST, path, width

_STROKE = re.compile(r"M(\d+) 20v-(\d+)h2v(\d+)z")


def test_by_hand() -> None:
    """Nothing is no stroke, little is one that can be seen, all is as high as it can be."""
    assert path([0, 0.001, 0.5, 1]) == "M3 20v-3h2v3zM6 20v-10h2v10zM9 20v-20h2v20z"
    assert path([]) == ""


@given(shares=st.lists(st.floats(0, 1), max_size=60))
def test_every_stroke_is_inside(shares: list[float]) -> None:
    """As many as there are shares above nothing."""
    drawn = path(shares)
    strokes = _STROKE.findall(drawn)
    assert "".join(f"M{x} 20v-{up}h2v{down}z" for x, up, down in strokes) == drawn
    assert len(strokes) == sum(share > 0 for share in shares)
    for x, up, down in strokes:
        assert int(x) + 2 <= width(shares)
        assert LEAST <= int(up) == int(down) <= HEIGHT
