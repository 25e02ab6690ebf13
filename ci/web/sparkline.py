"""A small drawing of shares over time: one stroke for each, as a path of SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STROKE: Final = 2  # units of the drawing; a stroke and the gap beside it are one of 3
STEP: Final = 3
HEIGHT: Final = 20
LEAST: Final = 3  # of the height: less can't be seen where it stands alone


def path(shares: Sequence[float]) -> str:
    """Return the path whose strokes are as high as the shares; what is a little is seen, too."""
    strokes = []
    for place, share in enumerate(shares):
        if share > 0:
            height = max(LEAST, round(share * HEIGHT))
            strokes.append(f"M{place * STEP} {HEIGHT}v-{height}h{STROKE}v{height}z")
    return "".join(strokes)


def width(shares: Sequence[float]) -> int:
    """Return how wide the drawing is."""
    return STEP * len(shares)
