"""What an agent's owner lets run there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio

from ci.agent.admission import Admission, NotAllowed, without_relative_folders
from ci.model import Reason
from ci.policy import CommandPolicy
from ci.repositoryrules import RepositoryPolicy
from ci.wire.job import Job
from tests.fakes.stage import Stage, job

STRICT = Admission(CommandPolicy(("make *",)), RepositoryPolicy(("/srv/git/*",)))


def test_what_is_allowed_comes_as_words() -> None:
    """To be run without a shell."""
    assert STRICT.admit(Job(**job(command="make 'a b'"))) == ("make", "a b")
    assert Admission().admit(Job(**job(command="make; id"))) is None


@pytest.mark.parametrize(
    ("more", "reason", "why"),
    [
        ({"command": "make; id"}, Reason.COMMAND_REFUSED, "; (another command)"),
        ({"command": "id"}, Reason.COMMAND_REFUSED, "there is make *"),
        ({"repository": "/etc"}, Reason.REPOSITORY_REFUSED, "there is /srv/git/*"),
        ({"env": {"MAKEFLAGS": "--eval=x"}}, Reason.COMMAND_REFUSED, "variables"),
        ({"env": {"PATH": "."}}, Reason.COMMAND_REFUSED, "PATH"),
    ],
)
def test_what_is_not_is_told(more: dict[str, Any], reason: Reason, why: str) -> None:
    """A variable can be as good as a command."""
    with pytest.raises(NotAllowed, match="agent's rules don't allow this") as refusal:
        STRICT.admit(Job(**job(**({"command": "make"} | more))))
    assert refusal.value.outcome.reason is reason
    assert why in refusal.value.outcome.message


def test_without_rules_a_server_may_set_variables() -> None:
    """As it always could."""
    assert Admission().admit(Job(**job(env={"LEVEL": "3"}))) is None


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin"),
        (".:/usr/bin:", "/usr/bin"),
        ("bin:/usr/bin:~/bin", "/usr/bin"),
        (".", "/bin:/usr/bin"),
        (None, "/bin:/usr/bin"),
    ],
)
def test_no_program_is_found_in_the_workspace_by_its_name(path: str | None, kept: str) -> None:
    """A repository could else have a `make` of its own."""
    environment = {"A": "b"} | ({} if path is None else {"PATH": path})
    assert without_relative_folders(environment) == {"A": "b", "PATH": kept}


async def test_rules_that_changed_under_a_command_that_never_began_count(
    stage: Stage,
) -> None:
    """An agent with stricter rules picks it up, and refuses it."""
    stage.checkout.takes_s = 60
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=job())).status_code == 202
        await trio.sleep(1)
    stage.settings["commands"] = ["make *"]
    async with stage.agent():
        result = await stage.server.wait_result()
    assert (result["status"], result["reason"]) == ("error", "command_refused")
    assert not stage.machine.started


async def test_an_agent_tells_its_rules(stage: Stage) -> None:
    """With each sign of life."""
    stage.settings |= {"commands": ["make *"], "repositories": ["/srv/*"]}
    async with stage.agent() as (_, http):
        said = (await http.get("/status")).json()
    assert (said["commands"], said["repositories"]) == (["make *"], ["/srv/*"])


def test_under_rules_a_secret_is_not_a_way_to_other_options() -> None:
    """Unless the owner names the variable: nobody knows all that programs take options from."""
    assert Admission().variable_problem("DEPLOY_KEY") is None
    for name in ("GNUMAKEFLAGS", "PYTEST_ADDOPTS", "DEPLOY_KEY"):
        assert STRICT.variable_problem(name) is not None
    named = replace(STRICT, variables=("DEPLOY_*",))
    assert named.variable_problem("DEPLOY_KEY") is None
    assert named.variable_problem("GNUMAKEFLAGS") is not None
