"""Secrets in a file that others can read: said at the start of either program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from ci.agent.run import warn_root
from ci.config import AgentConfig, ServerConfig
from ci.program import run_program

TOKEN: dict[str, object] = {"agentToken": "do-not-tell"}
PASSWORD: dict[str, object] = {"repository": "https://ada:do-not-tell@git.example.org/x"}
NO_SECRET: dict[str, object] = {"repository": "ssh://git@git.example.org/x:y@z"}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Undo what a program does to the logging of the whole process."""
    yield
    structlog.reset_defaults()


def load(
    folder: Path, values: dict[str, object], mode: int, kind: type[ServerConfig | AgentConfig]
) -> ServerConfig | AgentConfig:
    """Read such a file."""
    file = folder / kind.file_name
    file.write_text(json.dumps(values))
    file.chmod(mode)
    return kind.load([], {}, folder)


@pytest.mark.parametrize(
    ("values", "mode", "told"),
    [
        (TOKEN, 0o600, False),
        (TOKEN, 0o400, False),
        (TOKEN, 0o640, True),
        (TOKEN, 0o604, True),
        (TOKEN, 0o620, True),
        (PASSWORD, 0o644, True),
        (PASSWORD, 0o600, False),
        (NO_SECRET, 0o644, False),
        ({"port": 81}, 0o666, False),
    ],
)
def test_a_file_with_secrets_is_for_its_owner(
    tmp_path: Path, values: dict[str, object], mode: int, told: bool
) -> None:
    """A token, or a password in an URL; the file is named."""
    config = load(tmp_path, values, mode, ServerConfig)
    assert config.exposed_file == (tmp_path / "server-conf.json" if told else None)


@pytest.mark.parametrize("kind", [ServerConfig, AgentConfig])
def test_it_is_said_at_the_start(
    tmp_path: Path,
    kind: type[ServerConfig | AgentConfig],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On both sides, with what to do, and without the secret."""
    code = run_program("test", lambda: load(tmp_path, TOKEN, 0o644, kind), lambda _: None)
    said = capsys.readouterr().err
    assert code == 0
    assert f"do='chmod 600 {tmp_path}/{kind.file_name}'" in said
    assert "do-not-tell" not in said


@pytest.mark.parametrize(
    ("user", "is_held", "words"),
    [(0, True, "sandbox is weaker"), (0, False, "root of this machine"), (1000, False, "")],
)
def test_an_agent_that_is_root_says_so(user: int, is_held: bool, words: str) -> None:
    """Its builds can do more than its owner may think."""
    with capture_logs() as lines:
        warn_root(user, is_held=is_held)
    assert [words in line["meaning"] for line in lines] == [True] * bool(words)
