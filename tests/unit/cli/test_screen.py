"""What is written to a terminal, and to a pipe."""

from __future__ import annotations

import io
import json

from ci.answers.server import Problem
from ci.cli.screen import Screen
from ci.model import Status


class Terminal(io.BytesIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


HARMFUL = (
    b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b[2J\x1b[5;5H\x1b[?1049h"
    b"\x07\x08\x9b31m\xc2\x9b31m\x1bc\x1b(0 \ttab\r50 %\r\n"
)


def test_a_terminal_gets_text_and_colours_alone() -> None:
    """Nothing that sets its title, moves its cursor, clears it or changes its letters."""
    out = Terminal()
    Screen(out, io.BytesIO()).log(HARMFUL)
    shown = out.getvalue().decode()
    assert shown == "\x1b[1;31mred\x1b[0m link\b\ufffd31m\ufffd31m \ttab\r50 %\r\n"


def test_a_sequence_that_comes_in_pieces_is_known() -> None:
    """Cut anywhere, as a letter may be."""
    out = Terminal()
    screen = Screen(out, io.BytesIO())
    data = HARMFUL + "é\n".encode()
    for at in range(len(data)):
        screen.log(data[at : at + 1])
    whole = Terminal()
    Screen(whole, io.BytesIO()).log(data)
    assert out.getvalue() == whole.getvalue()


def test_a_pipe_gets_each_byte() -> None:
    """A log is its command's business."""
    out = io.BytesIO()
    screen = Screen(out, io.BytesIO())
    screen.log(HARMFUL)
    screen.end_log()
    assert out.getvalue() == HARMFUL


def test_the_last_line_is_drawn_in_its_place_and_goes() -> None:
    """It stands in nobody's way: a log and a note erase it."""
    err = Terminal()
    screen = Screen(io.BytesIO(), err)
    screen.show("waiting")
    screen.show("waiting")
    screen.log(b"hello\n")
    screen.show("running")
    screen.note("over", Status.FAILURE)
    erase = b"\r\x1b[2K"
    assert err.getvalue() == (
        erase + b"waiting" + erase + erase + b"running" + erase + b"\x1b[31mover\x1b[0m\n"
    )


def test_a_line_of_a_log_is_never_drawn_over() -> None:
    """Where both stand on one terminal, a line that has not ended is left alone."""
    err = Terminal()
    screen = Screen(Terminal(), err)
    screen.log(b"hel")
    screen.show("running")
    assert err.getvalue() == b""
    screen.note("over")
    assert err.getvalue() == b"\nover\n"


def test_in_a_pipe_nothing_is_drawn() -> None:
    """Notes are plain lines."""
    err = io.BytesIO()
    screen = Screen(io.BytesIO(), err)
    screen.show("waiting")
    screen.note("over", Status.FAILURE)
    assert err.getvalue() == b"over\n"


def test_json_is_one_line_each() -> None:
    """An answer of the API as the server writes it."""
    out = io.BytesIO()
    screen = Screen(out, io.BytesIO(), as_json=True)
    screen.json(Problem(None, "a\nb"))
    screen.json({"event": "log"})
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"field": None, "message": "a\nb"},
        {"event": "log"},
    ]
