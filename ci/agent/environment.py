"""The environment of commands and of git: the agent's own, without what is for the agent alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ci.parent import STDIN_IS_PARENT
from ci.repository import split_login
from ci.wire.job import Job

_OUR_PREFIXES: Final = ("CI_AGENT_", "CI_SERVER_")  # settings, tokens among them

# What belongs to the agent's own process and would mislead a build's tools.
_NOT_FOR_BUILDS: Final = frozenset(
    {
        "VIRTUAL_ENV",
        "VIRTUAL_ENV_PROMPT",
        "PYTHONHOME",
        "PYTHONPATH",  # modules of the agent's would shadow the build's
        "__PYVENV_LAUNCHER__",
        "MAKEFLAGS",  # an agent started by make would lend builds its job server
        "MFLAGS",
        "MAKELEVEL",
        STDIN_IS_PARENT,
        "CI_TOKEN",  # by which somebody at this machine asks a server
        "NOTIFY_SOCKET",  # systemd's, for the service's main process
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
        "LISTEN_PID",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        # `git rev-parse --local-env-vars`: they would turn git towards another repository.
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def command_environment(
    own: Mapping[str, str], job: Job, commit_hash: str, branch: str, workspace: Path
) -> dict[str, str]:
    """Return the environment of a job's command. `own` is the runner's; `branch` may be empty."""
    return {
        **own,
        "CI": "true",
        "CI_BUILD_NUMBER": job.number or job.id,
        "CI_ATTEMPT": job.id,
        "CI_COMMIT": commit_hash,
        "CI_BRANCH": branch,
        "CI_REPOSITORY": split_login(job.repository)[0],  # many a build prints its environment
        "CI_WORKSPACE": str(workspace),
        "GIT_TERMINAL_PROMPT": "0",
        **job.env,
    }


def own_environment() -> dict[str, str]:
    """Return the agent's environment without what is for the agent alone."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OUR_PREFIXES) and name not in _NOT_FOR_BUILDS
    }
    if "VIRTUAL_ENV" in os.environ and "PATH" in kept:
        programs = f"{os.environ['VIRTUAL_ENV']}/bin"  # an activated environment of the agent's
        folders = kept["PATH"].split(os.pathsep)
        kept["PATH"] = os.pathsep.join(folder for folder in folders if folder != programs)
    return kept
