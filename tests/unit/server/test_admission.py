"""What a server says of builds that are only thought of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ci.config import ServerConfig
from ci.model import Agent, AgentState
from ci.server.admission import Admission
from ci.server.views import AgentView, Judgement

NOW = datetime(2030, 1, 1, tzinfo=UTC)
URL = "/srv/git/demo"


def _agent(
    commands: tuple[str, ...] | None, repositories: tuple[str, ...] | None = None
) -> AgentView:
    agent = Agent("oak", "oak", 8081, 1, (), "", "", "", True, False, NOW, NOW)
    return AgentView(
        agent, AgentState.ONLINE, NOW, (), commands=commands, repositories=repositories
    )


def _judge(rules: str, view: AgentView, command: str) -> tuple[Judgement, Judgement]:
    admission = Admission(ServerConfig.check({"repository": URL, "commands": rules}))
    own, other = admission.judge((URL, command), [view])
    return own, other


@pytest.mark.parametrize("rules", [("make; id",), ("* x",), ("",), ("make \x07",)])
def test_rules_that_are_not_understood_are_not_told(rules: tuple[str, ...]) -> None:
    """A later version may have other ones: nobody guesses what they mean."""
    for view in (_agent(rules), _agent(("any",), ("team",))):
        own, other = _judge("any", view, "make")
        assert own.problem == ""
        assert (other.commands, other.repositories, other.problem) == (None, None, "")


def test_an_agent_that_allows_all_has_no_refusal_of_its_own() -> None:
    """The words are the server's."""
    own, other = _judge("make *", _agent(("any",)), "make; id")
    assert own.problem != ""
    assert (other.problem, other.words) == ("", None)
    assert _judge("make *", _agent(("any",)), "make x")[1].words == ("make", "x")
    assert _judge("any", _agent(("any",)), "make x")[1].words is None


def test_each_says_its_own_no() -> None:
    """The sentence that the build would have there."""
    own, other = _judge("any", _agent(("make *",), ("/srv/*",)), "id")
    assert own.problem == ""
    why = "The agent's rules don't allow this command: no rule allows it; there is make *."
    assert other.problem == why
    assert "repository" in _judge("any", _agent(("any",), ("/x",)), "id")[1].problem
