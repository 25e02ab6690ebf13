"""Safe by default: a server that others can reach does not let everybody in by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ci.agent.run import check_safe as check_agent
from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError
from ci.people import Role
from ci.server.safety import check_safe, openness_of
from tests.unit.server.people.world import add, open_people

TOKEN = "agent-token"


def config(**settings: Any) -> ServerConfig:
    """A configuration with these settings."""
    return ServerConfig.check({"repository": "/srv/git/demo"} | settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
async def test_on_loopback_nothing_is_needed(tmp_path: Path, host: str) -> None:
    """Everybody there may do everything, as the log says; once there are accounts, only look."""
    async with open_people(tmp_path) as people:
        with capture_logs() as lines:
            check_safe(config(host=host), people)
            check_safe(config(host=host, agentToken=TOKEN), people)
            await add(people)
            check_safe(config(host=host, agentToken=TOKEN), people)
    said = ["no agentToken, no administrator", "no administrator"]
    assert [line["missing"] for line in lines] == said
    openness = openness_of(config(host=host))
    assert (openness.without_accounts, openness.with_accounts) == (Role.ADMIN, Role.VIEWER)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"host": "10.0.0.5"},
        {"host": "ci.example.org"},
        {"host": "127.0.0.1", "trustedProxies": "127.0.0.1"},
    ],
)
async def test_beyond_it_token_and_administrator_are(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """The message says which is missing, and the one command that makes both."""
    openness = openness_of(config(**settings))
    assert (openness.without_accounts, openness.with_accounts) == (None, None)
    async with open_people(tmp_path, open_to=None) as people:
        with pytest.raises(ConfigError, match="no agentToken and no administrator") as error:
            check_safe(config(**settings), people)
        assert "python -m ci.server init" in str(error.value)
        with pytest.raises(ConfigError, match="it has no administrator;"):
            check_safe(config(agentToken=TOKEN, **settings), people)
        await add(people)
        with pytest.raises(ConfigError, match="it has no agentToken;"):
            check_safe(config(**settings), people)
        check_safe(config(agentToken=TOKEN, **settings), people)


async def test_who_insists_is_let(tmp_path: Path) -> None:
    """It is said out loud, each time."""
    insecure = config(host="0.0.0.0", insecure=True)
    async with open_people(tmp_path) as people:
        with capture_logs() as lines:
            check_safe(insecure, people)
    assert [line["event"] for line in lines] == ["insecure"]
    assert "everybody" in lines[0]["meaning"]
    assert openness_of(insecure).without_accounts is Role.ADMIN


def test_who_may_look_can_be_said() -> None:
    """Either way, wherever the server listens."""
    assert openness_of(config(anonymousView=False)).with_accounts is None
    beyond = config(host="0.0.0.0", anonymousView=True)
    assert openness_of(beyond).with_accounts is Role.VIEWER


def test_an_agent_runs_nobodys_commands() -> None:
    """Reachable by others, it needs the token; insisting is said out loud."""
    check_agent(AgentConfig.check({}))
    check_agent(AgentConfig.check({"bind": "0.0.0.0", "agentToken": TOKEN}))
    with pytest.raises(ConfigError, match="no agentToken"):
        check_agent(AgentConfig.check({"bind": "0.0.0.0"}))
    with capture_logs() as lines:
        check_agent(AgentConfig.check({"bind": "0.0.0.0", "insecure": True}))
    assert [line["event"] for line in lines] == ["insecure"]
