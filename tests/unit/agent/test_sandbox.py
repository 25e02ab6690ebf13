"""What is let into a sandbox, as far as that can be said without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ci.agent.bubblewrap import View, make_scratch, scratch_of, wrap
from ci.agent.cleaning import CLEAN_S, LOOK_S
from ci.agent.sandbox import Sandbox
from ci.config import AgentConfig
from ci.errors import ConfigError
from tests.fakes.stage import Stage, job

DATA = Path("/srv/agent")


def test_of_the_agents_environment_only_what_is_named_goes_in() -> None:
    """A secret of its owner's has any name: so the others are told, not this one."""
    own = {"PATH": "/bin", "LC_ALL": "C", "LANG": "C", "AWS_SECRET": "s", "HOME": "/root", "X": "1"}
    sandbox = Sandbox("bwrap", View(DATA), frozenset({"X"}))
    seen = sandbox.environment(own)
    assert "AWS_SECRET" not in seen
    assert (seen["PATH"], seen["LC_ALL"], seen["X"], seen["HOME"]) == (
        *("/bin", "C", "1"),
        "/home/build",
    )


def test_the_data_folder_is_hidden_after_all_that_is_let_in() -> None:
    """So that it stays hidden where it lies in one of these."""
    view = View(DATA, readable=(Path("/srv"),), writable=(Path("/srv/cache"),))
    workspace = DATA / "work" / "1"
    words = wrap("bwrap", view, workspace, scratch_of(workspace), [DATA / "mirrors" / "m"])
    hidden = words.index(str(DATA))
    assert words[hidden - 1] == "--tmpfs"
    assert words.index("/srv") < hidden
    assert words.index("/srv/cache") < hidden < words.index(str(workspace))


def test_network_is_one_word() -> None:
    """And is said to people."""
    for network, said in ((True, "on"), (False, "off")):
        view = View(DATA, network=network)
        assert ("--unshare-net" in wrap("bwrap", view, DATA, DATA, [])) is not network
        assert str(Sandbox("bwrap", view)) == f"bubblewrap, network {said}"


async def test_the_scratch_folder_of_what_runs_is_no_leftover(stage: Stage) -> None:
    """It goes with the workspace; that of nobody goes in the next round."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=f"sleep {1.5 * CLEAN_S}; echo end"))
        await trio.sleep(1)
        for name in ("1.1.1~", "6.1.1~"):
            make_scratch(stage.folder / "work" / name)
        await trio.sleep(CLEAN_S + LOOK_S)
        assert stage.kept == ["spool/1.1.1", "work/1.1.1", "work/1.1.1~"]
        await stage.server.wait_result()
        await trio.sleep(1)
        assert stage.kept == []


@pytest.mark.parametrize(
    ("settings", "rules", "why"),
    [
        ({"bind": "0.0.0.0"}, ("any",), "a sandbox holds what runs"),
        ({}, ("any",), "a sandbox holds what runs"),
        ({"commands": "make *", "bind": "0.0.0.0"}, ("make *",), "the setting commands"),
    ],
)
def test_in_a_sandbox_anything_may_run(
    settings: dict[str, object], rules: tuple[str, ...], why: str
) -> None:
    """Wherever the agent is reached from, unless its owner has said otherwise."""
    policy = AgentConfig.check(settings).sandboxed_policy
    assert policy.rules == rules
    assert why in policy.why


@pytest.mark.parametrize("path", ["cache", "/", "/srv/../etc", "~/x"])
def test_what_is_let_in_has_a_whole_path(path: str) -> None:
    """And is never all of the machine."""
    with pytest.raises(ConfigError, match="must begin with / and lead to something below it"):
        AgentConfig.check({"sandboxWritable": [path]})
