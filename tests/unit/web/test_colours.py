"""Whatever is written can be read: each colour on each ground, in light and in dark."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Final

import pytest

STYLE: Final = Path(__file__).parents[3] / "static" / "style.css"
# Level AA of the Web Content Accessibility Guidelines for text of usual size.
ENOUGH: Final = 4.5

STATUSES: Final = ("success", "failure", "error", "running", "canceled")
TERMINAL: Final = tuple(f"c{number}" for number in range(16))
GROUNDS: Final = ("ground", "panel", "hover", "mark", "field")
PAIRS: Final = (
    *product(("ink", "soft", "accent", *STATUSES, *TERMINAL), GROUNDS),
    ("on-accent", "accent"),  # a button
    ("ground", "error"),  # the bar that says that nobody answers
)
_PAIR_OF_COLOURS: Final = re.compile(
    r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);"
)


def read_colours() -> tuple[dict[str, str], dict[str, str]]:
    """Read the variables of the style sheet: the light ones, the dark ones."""
    found = _PAIR_OF_COLOURS.findall(STYLE.read_text(encoding="utf-8"))
    return {name: light for name, light, _ in found}, {name: dark for name, _, dark in found}


def luminance(colour: str) -> float:
    """Say how bright `#rrggbb` is, from 0 to 1, as the guidelines define it."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def contrast(one: str, other: str) -> float:
    """Compare two colours: from 1, which is the same, to 21, which is black on white."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_can_be_read_on_every_ground(scheme: int) -> None:
    """No status, no colour of a log is too faint, whatever it stands on."""
    colours = read_colours()[scheme]
    faint = {
        f"{text} on {ground}": round(ratio, 2)
        for text, ground in PAIRS
        if (ratio := contrast(colours[text], colours[ground])) < ENOUGH
    }
    assert not faint


def test_the_contrast_is_computed_as_the_guidelines_say() -> None:
    """Against what they name: the ends of the scale, and the grey that is just enough."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == pytest.approx(1)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_colours_are_named_once() -> None:
    """Outside of the variables the sheet has none: a colour of its own is light only."""
    rules = _PAIR_OF_COLOURS.sub("", STYLE.read_text(encoding="utf-8"))
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[^{]*;)|\brgba?\(|\bhsla?\(", rules) == []
