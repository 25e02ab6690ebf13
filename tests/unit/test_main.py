"""`python -m ci` passes flags only for what the user has not configured."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from ci.__main__ import make_plan, wait_first
from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError

ENVIRONMENT = {"CI_SERVER_PORT": "0"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


def test_with_nothing_configured_the_form_is_filled_in(tmp_path: Path) -> None:
    """A demo repository, its command, two slots, and an agent that finds the server."""
    plan = make_plan(ENVIRONMENT, tmp_path)
    server = ServerConfig.load(plan.server, ENVIRONMENT, tmp_path)
    agent = AgentConfig.load(plan.agent, {}, tmp_path)
    demo = tmp_path / "data" / "server" / "demo"
    assert plan.demo == demo
    assert (demo / "test.sh").exists()
    assert server.known_repositories == {"demo": str(demo)}
    assert (server.default_commit, server.default_command) == ("main", "./test.sh")
    assert server.port > 0
    assert plan.url == agent.server_url == f"http://127.0.0.1:{server.port}"
    assert agent.slots == 2


def test_what_the_user_configured_is_left_alone(tmp_path: Path) -> None:
    """Files and variables win; no demo is made beside a repository of the user's own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    (tmp_path / "server-conf.json").write_text(
        json.dumps({"port": port, "repository": "https://git.example.org/x.git"})
    )
    (tmp_path / "agent-conf.json").write_text('{"slots": 5, "serverHost": "10.0.0.9"}')
    plan = make_plan({"CI_AGENT_SERVER_PORT": "99"}, tmp_path)
    assert plan.server == ()
    assert plan.agent == ()
    assert plan.demo is None
    assert plan.url == f"http://127.0.0.1:{port}"
    assert not (tmp_path / "data").exists()


def test_the_agent_reaches_a_server_that_listens_everywhere(tmp_path: Path) -> None:
    """0.0.0.0 is no address to dial."""
    plan = make_plan(ENVIRONMENT | {"CI_SERVER_HOST": "0.0.0.0"}, tmp_path)
    assert AgentConfig.load(plan.agent, {}, tmp_path).server_host == "127.0.0.1"
    assert plan.url.startswith("http://127.0.0.1:")


def test_the_demo_may_be_built_wherever_it_listens(tmp_path: Path) -> None:
    """Its script is no build tool; what the user has said of commands holds."""
    everywhere = ENVIRONMENT | {"CI_SERVER_HOST": "0.0.0.0", "CI_AGENT_BIND": "0.0.0.0"}
    plan = make_plan(everywhere, tmp_path)
    for policy in (
        ServerConfig.load(plan.server, everywhere, tmp_path).command_policy,
        AgentConfig.load(plan.agent, everywhere, tmp_path).command_policy,
    ):
        assert policy.judge("./test.sh").allowed
        assert not policy.judge("./test.sh; id").allowed
    strict = everywhere | {"CI_SERVER_COMMANDS": "make *", "CI_AGENT_COMMANDS": "make *"}
    plan = make_plan(strict, tmp_path)
    assert "--commands" not in (*plan.server, *plan.agent)


def test_the_token_is_shared_out_of_sight(tmp_path: Path) -> None:
    """The agent gets the server's token, but not as a flag, which `ps` shows to everybody."""
    plan = make_plan(ENVIRONMENT | {"CI_SERVER_AGENT_TOKEN": "s3cret"}, tmp_path)
    assert plan.environment["CI_AGENT_AGENT_TOKEN"] == "s3cret"
    assert "s3cret" not in " ".join([*plan.server, *plan.agent])


def test_a_taken_port_is_one_line_before_anything_starts(tmp_path: Path, taken_port: int) -> None:
    """Else the other program would answer in our server's name."""
    with pytest.raises(ConfigError, match=rf"^port = {taken_port}: can't listen on 127.0.0.1 .*$"):
        make_plan({"CI_SERVER_PORT": str(taken_port)}, tmp_path)


async def test_whoever_comes_first_ends_the_waiting(autojump_clock: trio.abc.Clock) -> None:
    """The others are cancelled and the name is returned."""

    async def wait(seconds: float) -> None:
        await trio.sleep(seconds)

    first = await wait_first(slow=lambda: wait(5), quick=lambda: wait(1), never=trio.sleep_forever)
    assert first == "quick"
    assert trio.current_time() == pytest.approx(1, abs=0.1)
