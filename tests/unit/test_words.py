"""A command's words: what a shell would make of them, or a refusal."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.words import NeedsShell, split_words

# All that a shell knows, and some letters that it doesn't.
ALPHABET = "ab=/-.+^% \t'\"\\;&|<>()$`*?[]{}!~#\n\r:,@_1ä"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("make", ("make",)),
        ("  make\ttest  ", ("make", "test")),
        ("\nmake test\n\n", ("make", "test")),
        ("pytest -k 'a or b' \"c d\"", ("pytest", "-k", "a or b", "c d")),
        (r"echo a\ b \"", ("echo", "a b", '"')),
        (r'echo "\$5 \a \\"', ("echo", r"$5 \a " + "\\")),
        ("echo '' a''b", ("echo", "", "ab")),
        ("echo a#b a~ 'x;y' '$HOME' '*'", ("echo", "a#b", "a~", "x;y", "$HOME", "*")),
        ("echo 'a\nb'", ("echo", "a\nb")),
        ("echo A=b", ("echo", "A=b")),
    ],
)
def test_words_of_a_program_with_arguments(command: str, words: tuple[str, ...]) -> None:
    """Blanks, both kinds of quotes, backslashes."""
    assert split_words(command) == words


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("make; rm x", "; (another command)"),
        ("make && make test", "& (another command)"),
        ("make\nrm x", "a line break"),
        ("make | tee log", "| (a pipe)"),
        ("make > /etc/passwd", "> (a redirection)"),
        ("echo $HOME", "$ (a substitution)"),
        ('echo "$(id)"', "$ (a substitution)"),
        ('echo "`id`"', "` (a substitution)"),
        ("echo *.c", "* (a pattern"),
        ("ls ~", "~ (a home folder)"),
        ("make # all", "# (a comment)"),
        ("make 'all", "a quote without its end"),
        ('make "all', "a quote without its end"),
        ("make \\", "a backslash"),
        ("make a\\\nb", "a line break"),
        ("make\n;", "a line break"),
        ("make \\\n", "a backslash"),
        ("\n", "is empty"),
        ("CC=evil make", "a variable, CC=evil"),
        ("(make)", "( (a group)"),
        ("-a b make", "an option, -a"),
        ("   ", "is empty"),
    ],
)
def test_what_only_a_shell_can_do_is_refused_by_its_name(command: str, what: str) -> None:
    """It is not handed on as text: its writer meant something by it."""
    with pytest.raises(NeedsShell) as refusal:
        split_words(command)
    assert what in str(refusal.value)


@given(st.lists(st.text(alphabet=ALPHABET, min_size=1), min_size=1))
def test_quoted_words_come_back(words: list[str]) -> None:
    """Whatever is quoted as for a shell is taken letter by letter."""
    assert split_words(shlex.join(["p", *words])) == ("p", *words)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=ALPHABET, max_size=12).map("p ".__add__))
def test_a_shell_reads_the_same_words(command: str) -> None:
    """What is taken means the same to `sh`: nothing of it acts there."""
    try:
        words = split_words(command)
    except NeedsShell:
        return
    script = "p() { for word; do printf '%s\\0' \"$word\"; done; }\n" + command
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(words[1:])
    assert done.stderr == b""
