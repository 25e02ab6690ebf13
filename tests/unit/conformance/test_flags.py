"""A flag of the kit that can't be meant is told at once, with what may be said."""

from __future__ import annotations

import pytest

from ci.conformance.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["server", "nonsense"], "'nonsense' is no address; say http://HOST:PORT"),
        (["server", "ftp://host"], "is no address"),
        (["server", "http://"], "is no address"),
        (["server", "http://host:99999"], "is no address"),
        (["server", "http://[::1"], "is no address"),
        (["agent", "http://host", "--port=99999"], "'99999' is no port; say a number from 0 to"),
        (["agent", "http://host", "--port=-1"], "is no port"),
        (["agent", "http://host", "--port=x"], "is no port"),
        (["server", "http://host", "--patience=-1"], "'-1': say 1 to 3600 seconds"),
        (["server", "http://host", "--patience=nan"], "'nan': say"),
        (["server", "http://host", "--patience=inf"], "'inf': say"),
        (["server", "http://host", "--patience=long"], "'long': say"),
        (["server", "http://host", "--token=a\nb"], "can't travel in a header"),
        (["server", "http://host", "--api-token=schl\u00fcssel"], "can't travel in a header"),
    ],
)
def test_a_wrong_flag_is_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exit code of a kit that could not run."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
