"""What may run under which rules."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.buildtools import BUILD_TOOLS, Tool
from ci.policy import CommandPolicy, rule_problem

TOOLS = CommandPolicy(("build-tools",))


@pytest.mark.parametrize(
    ("rules", "command"),
    [
        (("make *",), "make"),
        (("make *",), "make -f other.mk 'a b' CC=gcc"),
        (("npm test",), "npm  test"),
        (("python -m pytest *",), "python -m pytest tests"),
        (("a", "b --x=* c"), "b --x='1 2' c"),
        (("say '*'",), "say hello"),
        (("say a*b*c",), "say abbc"),
        (("say a*",), "say a"),
        (("build-tools", "./ci.sh"), "./ci.sh"),
    ],
)
def test_a_rule_lets_in_what_fits(rules: tuple[str, ...], command: str) -> None:
    """Its words, a star in a word for any letters, a last star for any more words."""
    verdict = CommandPolicy(rules).judge(command)
    assert verdict.allowed
    assert verdict.rule in rules
    assert verdict.words is not None


@pytest.mark.parametrize(
    ("rules", "command", "why"),
    [
        (("make *",), "make; id", "; (another command)"),
        (("make *",), "make && id", "& (another command)"),
        (("make *",), "make $(id)", "$ (a substitution)"),
        (("make *",), "make\nid", "a line break"),
        (("make *",), "PATH=. make", "a variable"),
        (("make *",), "makefoo", "there is make *"),
        (("make *",), "./make", "there is make *"),
        (("make *",), "'make x'", "there is make *"),
        (("make",), "make all", "there is make"),
        (("npm test", "make *"), "npm run x", "there is npm test"),
        (("b --x=* c",), "b --x=1 2 c", "b --x=* c"),
        (("b --x=* c",), "b --x=1 c d", "b --x=* c"),
        (("say ab*bc",), "say abc", "there is say ab*bc"),
        (("say a*b*c",), "say ac", "there is say a*b*c"),
        (("make *",), "make\0 all", "a NUL character"),
        (("make *",), "'' all", "an empty program"),
        (("make *",), "ma\u0138e", "there is make *"),
        (("make *",), "make\u00a0all", "there is make *"),
        (("make *",), "'make' \u2028; id", "; (another command)"),
        ((), "make", "no rule allows it; there is none"),
    ],
)
def test_all_else_is_refused_with_the_rule_that_was_meant(
    rules: tuple[str, ...], command: str, why: str
) -> None:
    """No operator of a shell gets through, no other program, no more words."""
    verdict = CommandPolicy(rules).judge(command)
    assert not verdict.allowed
    assert verdict.words is None
    assert why in verdict.rule


@given(st.text("ab*", min_size=1, max_size=6), st.text("ab", max_size=8))
def test_a_star_is_any_letters(pattern: str, word: str) -> None:
    """As the shell's own patterns have it, in a word that is not the last."""
    fits = CommandPolicy((f"say {pattern} .",)).judge(f"say '{word}' .").allowed
    assert fits == fnmatchcase(word, pattern)


def test_build_tools_may_stand_beside_other_rules() -> None:
    """What is more than these is added."""
    both = CommandPolicy(("build-tools", "./ci.sh *"))
    assert both.judge("make all").allowed
    assert both.judge("./ci.sh all").rule == "./ci.sh *"
    assert not both.judge("sh ci.sh").allowed


def test_a_command_without_a_shell_is_split_also_where_any_may_run() -> None:
    """What its server has said counts on an agent that allows all."""
    assert CommandPolicy().judge("make 'a b'", shell=False).words == ("make", "a b")
    verdict = CommandPolicy().judge("make; id", shell=False)
    assert (verdict.allowed, verdict.words) == (False, None)


def test_a_refusal_is_short() -> None:
    """However long the command and however many the rules: a message has an end."""
    many = CommandPolicy(tuple(f"program-{number} {'x' * 400}" for number in range(100)))
    assert len(many.judge("y" * 100_000).rule) < 5000
    assert len(TOOLS.judge(f"{'x' * 100_000}=1 make").rule) < 500


def test_any_leaves_all_to_a_shell() -> None:
    """Also what is no command at all."""
    verdict = CommandPolicy().judge("make; rm -rf '")
    assert (verdict.allowed, verdict.words) == (True, None)


@pytest.mark.parametrize(
    "command",
    [
        "make",
        "make -j4 clean all.o",
        "make -k test/unit",
        "npm ci",
        "npm run build:all",
        "python3 -m pytest -x tests/unit/test_a.py::test_b",
        "python3 -m unittest -v discover",
        "go test ./...",
        "cargo test --release some_test",
        "mvn -B clean verify",
        "./gradlew :app:test --no-daemon",
        "bazel test //...",
        "tox -e py311",
        "rake db:migrate",
    ],
)
def test_build_tools(command: str) -> None:
    """What people type to build and test."""
    assert TOOLS.judge(command).allowed, command


@pytest.mark.parametrize(
    "command",
    [
        "sh -c make",
        "make --eval=x:;id",
        "make --eval all",
        "make CC=evil",
        "make SHELL=/tmp/x",
        "make -f /tmp/x",
        "make -C ..",
        "make -j4x",
        "make /etc/passwd",
        "make ../x",
        "make a/../../x",
        "make a/..",
        "make -- -f",
        "npm exec evil",
        "npm install evil",
        "npm run --prefix=/x build",
        "pytest --basetemp=/",
        "pytest -p evil",
        "pytest /etc",
        "pytest @/etc/passwd",
        "pytest @arguments",
        "python -c 'import os'",
        "python3 -m unittest pip._internal.cli.main.main",
        "python evil.py",
        "go test -exec evil",
        "go run x.go",
        "cargo run",
        "cargo test --config=x",
        "mvn exec:exec",
        "mvn -Dx=y test",
        "./gradlew -I x",
        "tox -e py -- rm",
        "git push",
        "curl x",
        "./make",
        "",
    ],
)
def test_no_build_tool_runs_what_the_repository_does_not_say(command: str) -> None:
    """No other program, no file from elsewhere, no setting that is a program."""
    assert not TOOLS.judge(command).allowed, command


@pytest.mark.parametrize("tool", BUILD_TOOLS, ids=lambda tool: tool.shown)
def test_each_tool_takes_its_own_words(tool: Tool) -> None:
    """And is found by them, not by another's."""
    assert TOOLS.judge(tool.words).rule == tool.shown


@given(st.sampled_from(BUILD_TOOLS), st.text(alphabet="a./-=:;$@,% '", min_size=1, max_size=8))
def test_no_word_leaves_the_workspace(tool: Tool, more: str) -> None:
    """Whatever is added is an option that is named, or a plain name below the workspace."""
    words = TOOLS.judge(f"{tool.words} {more}").words or ()
    for word in words[len(tool.words.split()) :]:
        assert not word.startswith(("-", "/", "@")) or word in tool.options.split()
        assert ".." not in word.split("/")
        assert "=" not in word


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("*", "no fixed program"),
        ("./a-*.sh", "no fixed program"),
        ("ma* x", "no fixed program"),
        ("a; b", "; "),
        ("", "is empty"),
        ("make \x01", "can't be printed"),
        ("make " + "x" * 500, "505 characters"),
    ],
)
def test_what_is_no_rule(rule: str, what: str) -> None:
    """Said when the configuration is read."""
    assert what in (rule_problem(rule) or "")


@pytest.mark.parametrize("rule", ["make *", "npm test", "any", "build-tools", "./ci.sh 'a b' *"])
def test_what_is_a_rule(rule: str) -> None:
    """A program with its arguments, or one of the two words."""
    assert rule_problem(rule) is None
