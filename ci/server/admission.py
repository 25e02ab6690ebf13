"""Admission: what this server lets be built, whatever its agents would run.

It is asked when a build is asked for, and again before each hand-over: the rules may have become
stricter since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ci.config import ServerConfig
from ci.model import Outcome, Reason, Status
from ci.policy import CommandPolicy, forbidden, rule_problem
from ci.repository import shown_url
from ci.repositoryrules import RepositoryPolicy, repository_rule_problem
from ci.server.external.wanted import is_storage_url
from ci.server.views import AgentView, Judgement


class Admission:
    """The rules of a server's configuration: its commands, and its list of repositories."""

    def __init__(self, config: ServerConfig) -> None:
        self.commands: CommandPolicy = config.command_policy
        # A password may have changed since a build was asked for; that is no other repository.
        self._known = {shown_url(url) for url in config.known_repositories.values()}
        self._prefix = config.repository_prefix if config.api_base_url is not None else None

    def refusal(self, repository_url: str, command: str) -> Outcome | None:
        """Say why this must not be built, or None when it may."""
        named = self._prefix is not None and is_storage_url(repository_url, self._prefix)
        if not named and shown_url(repository_url) not in self._known:
            why = "the configuration does not have it any more"
            message = forbidden("server", "repository", why)
            return Outcome(Status.ERROR, Reason.REPOSITORY_REFUSED, message)
        verdict = self.commands.judge(command)
        if not verdict.allowed:
            message = forbidden("server", "command", verdict.rule)
            return Outcome(Status.ERROR, Reason.COMMAND_REFUSED, message)
        return None

    def judge(
        self, asked: tuple[str, str] | None, agents: Sequence[AgentView]
    ) -> tuple[Judgement, ...]:
        """Say what the rules of the server are, and those of each agent.

        If a repository's URL and a command are `asked` about, also what they say of these.
        """
        own = Judgement(None, self.commands.rules, why=self.commands.why)
        if asked is not None:
            refusal = self.refusal(*asked)
            problem = "" if refusal is None else refusal.message
            own = replace(own, problem=problem, words=self.commands.judge(asked[1]).words)
        return own, *(self._of_agent(view, asked) for view in agents)

    def _of_agent(self, view: AgentView, asked: tuple[str, str] | None) -> Judgement:
        if not _is_known(view):
            return Judgement(view.agent.name, None)
        own = Judgement(view.agent.name, view.commands, view.repositories)
        if asked is None:
            return own
        url, command = asked
        if (problem := RepositoryPolicy(view.repositories).problem(url)) is not None:
            return replace(own, problem=forbidden("agent", "repository", problem))
        policy = CommandPolicy(view.commands or ())
        if policy.allows_any:  # then it runs what it is given as the server says
            return replace(own, words=self.commands.judge(command).words)
        verdict = policy.judge(command)
        problem = "" if verdict.allowed else forbidden("agent", "command", verdict.rule)
        return replace(own, problem=problem, words=verdict.words)


def _is_known(view: AgentView) -> bool:
    """Whether an agent tells its rules, and in words that this version understands."""
    return (
        view.commands is not None
        and not any(map(rule_problem, view.commands))
        and not any(map(repository_rule_problem, view.repositories or ()))
    )
