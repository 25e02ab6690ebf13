"""Admission: what this agent's owner lets run here, whatever its server says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ci.agent.ending import failed
from ci.model import Reason
from ci.policy import CommandPolicy, forbidden
from ci.repositoryrules import RepositoryPolicy
from ci.secretrules import variable_problem
from ci.wire.job import Job

SECRETS_NEED_SANDBOX: Final = "sandboxed"
_SHOWN_NAMES: Final = 5  # of variables that a server sets


class NotAllowed(Exception):
    """The rules of this agent forbid the job."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.outcome = failed(reason, message)


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules of this agent."""

    commands: CommandPolicy = field(default_factory=CommandPolicy)
    repositories: RepositoryPolicy = field(default_factory=RepositoryPolicy)
    variables: tuple[str, ...] | None = None  # that a server may set; None: all that do no harm
    no_secrets: str = ""  # why builds get none here; empty when they do

    def admit(self, job: Job) -> tuple[str, ...] | None:
        """Return the words of a job's command, to be run without a shell; None: by one.

        Raises NotAllowed.
        """
        if (problem := self.repositories.problem(job.repository)) is not None:
            message = forbidden("agent", "repository", problem)
            raise NotAllowed(Reason.REPOSITORY_REFUSED, message)
        verdict = self.commands.judge(job.command, shell=job.shell)
        if not verdict.allowed:
            message = forbidden("agent", "command", verdict.rule)
            raise NotAllowed(Reason.COMMAND_REFUSED, message)
        if job.env and not self.commands.allows_any:  # MAKEFLAGS or LD_PRELOAD are commands, too
            named = ", ".join(sorted(job.env)[:_SHOWN_NAMES])
            why = f"it comes with variables of its server's: {named}"
            raise NotAllowed(Reason.COMMAND_REFUSED, forbidden("agent", "command", why))
        if self.variables is not None:
            for name in job.env:
                if (problem := self.variable_problem(name)) is not None:
                    message = forbidden("agent", "variable", f"{name}: {problem}")
                    raise NotAllowed(Reason.COMMAND_REFUSED, message)
        return verdict.words

    def variable_problem(self, name: str) -> str | None:
        """Say why no secret may be a variable of that name, or None.

        Where only some commands may run, a variable can make another of one: GNUMAKEFLAGS and
        PYTEST_ADDOPTS are options, and nobody knows all such names.
        """
        if self.variables is None and not self.commands.allows_any:
            return "only some commands may run here, so environmentNames has to name it"
        return variable_problem(name, self.variables)

    def trim(self, job: Job) -> Job:
        """Leave out of a job what is not taken here, whatever the server believes."""
        return job.model_copy(update={"secrets": ()}) if self.no_secrets else job


def why_no_secrets(setting: str, sandbox: str) -> str:
    """Say why builds get no secrets here, or an empty text."""
    if setting == "never":
        return "its owner has set secrets to never"
    if setting == SECRETS_NEED_SANDBOX and not sandbox:
        return "no sandbox keeps its builds apart"
    return ""


def without_relative_folders(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no program is found in the workspace by its bare name."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if folder.startswith("/"))
    return {**environment, "PATH": path or os.defpath}
