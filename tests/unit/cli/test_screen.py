"""What is written to a terminal, and to a pipe."""

from __future__ import annotations

import io
import json

import pytest

from ci.answers.server import Problem
from ci.cli.screen import Screen
from ci.model import Status


class Terminal(io.BytesIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


XTERM = {"TERM": "xterm"}

HARMFUL = (
    b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b[2J\x1b[5;5H\x1b[?1049h"
    b"\x07\x08\x9b31m\xc2\x9b31m\x1bc\x1b(0 \ttab\r50 %\r\n"
)


def test_a_terminal_gets_text_and_colours_alone() -> None:
    """Nothing that sets its title, moves its cursor, clears it or changes its letters."""
    out = Terminal()
    Screen(out, io.BytesIO(), environment=XTERM).log(HARMFUL)
    shown = out.getvalue().decode()
    assert shown == "\x1b[1;31mred\x1b[0m link\b\ufffd31m\ufffd31m \ttab\r50 %\r\n"


def test_a_sequence_that_comes_in_pieces_is_known() -> None:
    """Cut anywhere, as a letter may be."""
    out = Terminal()
    screen = Screen(out, io.BytesIO(), environment=XTERM)
    data = HARMFUL + "é\n".encode()
    for at in range(len(data)):
        screen.log(data[at : at + 1])
    whole = Terminal()
    Screen(whole, io.BytesIO(), environment=XTERM).log(data)
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
    screen = Screen(io.BytesIO(), err, environment=XTERM)
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
    screen = Screen(Terminal(), err, environment=XTERM)
    screen.log(b"hel")
    screen.show("running")
    assert err.getvalue() == b""
    screen.note("over")
    assert err.getvalue() == b"\nover\n"


def test_in_a_pipe_nothing_is_drawn() -> None:
    """Notes are plain lines."""
    err = io.BytesIO()
    screen = Screen(io.BytesIO(), err, environment=XTERM)
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


@pytest.mark.parametrize("environment", [XTERM | {"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_who_wants_no_colours_gets_none(environment: dict[str, str]) -> None:
    """Neither ours nor those of a log; so does a terminal that knows none."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, environment=environment)
    screen.log(b"\x1b[31mred\x1b[0m\n")
    screen.end_log()
    screen.note("over", Status.FAILURE)
    assert (out.getvalue(), err.getvalue()) == (b"red\n", b"over\n")


def test_texts_of_others_say_nothing_to_a_terminal() -> None:
    """Whatever a branch, an agent or an answer is called: not in words, nor in JSON."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, environment=XTERM)
    evil = "a\x1b]0;title\x07\x9b2J\u202eb\r\nc"
    screen.answer(evil)
    screen.table([("#1", evil)])
    screen.note(evil)
    screen.show(evil)
    screen.json({"evil": evil})
    shown = (out.getvalue() + err.getvalue().replace(b"\r\x1b[2K", b"")).decode()
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")
    assert json.loads(out.getvalue().splitlines()[-1]) == {"evil": evil}
