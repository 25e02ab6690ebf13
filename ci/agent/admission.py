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
from ci.wire.job import Job

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
        return verdict.words


def without_relative_folders(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no program is found in the workspace by its bare name."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if folder.startswith("/"))
    return {**environment, "PATH": path or os.defpath}
