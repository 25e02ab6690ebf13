"""What is built for a build of the storage, or why nothing is. Pure.

The storage is somebody else's. So it names a repository of the configuration, or the rest of an URL
whose beginning is in the configuration, and never a path or an URL of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ci.model import MAX_COMMIT_CHARS, BuildRequest, Outcome, Reason, Status, commit_problem
from ci.repository import absolute_url, shown_url
from ci.server.external.there import Conf, There
from ci.wire.job import MAX_COMMAND_BYTES, command_problem

ASKER: Final = "the storage API"
ORPHAN: Final = Outcome(
    Status.ERROR,
    Reason.INTERNAL,
    "It was in progress in the storage API when this server was started, and this server knows "
    "nothing of it. Ask for it again.",
)

# `owner/name`, and more steps where there are groups of groups; none of them leads upwards.
_REST: Final = re.compile(r"(?![.-])[\w.-]+(?:/(?![.-])[\w.-]+)*", re.ASCII)


def storage_url(name: str, prefix: str) -> str | None:
    """Return the URL of a repository that the storage has named, None if the name can't be one."""
    return absolute_url(prefix + name) if _REST.fullmatch(name) else None


def is_storage_url(url: str, prefix: str) -> bool:
    """Whether an URL is that of a repository that the storage may name."""
    begin = absolute_url(prefix + "x")[:-1]
    return url.startswith(begin) and _REST.fullmatch(url[len(begin) :]) is not None


def request_of(
    conf: Conf, there: There, known: Mapping[str, str], prefix: str
) -> tuple[BuildRequest, Outcome | None]:
    """Say what is to be built; with an outcome it can't be, and has ended so."""
    commit = there.commit or there.origin.branch or conf.branch
    name = shown_url(conf.repository)
    url = known.get(name) or next((url for url in known.values() if url == conf.repository), None)
    url = url or storage_url(conf.repository, prefix)
    request = BuildRequest(
        repository=name if name in known else shown_url(url or conf.repository),
        repository_url=url or "",
        commit=commit[:MAX_COMMIT_CHARS],
        command=conf.command.encode()[:MAX_COMMAND_BYTES].decode(errors="ignore"),
        asked_by=ASKER,
    )
    if url is None:
        message = (
            f"The storage API names the repository {name!r}, which is not of the form owner/name; "
            "give it that name in the setting repositories."
        )
        return request, Outcome(Status.ERROR, Reason.REPOSITORY_REFUSED, message)
    if problem := commit_problem(commit):
        message = f"The storage API names a commit that {problem}."
        return request, Outcome(Status.ERROR, Reason.CHECKOUT_FAILED, message)
    if problem := command_problem(conf.command):
        message = f"The command of the storage API {problem}."
        return request, Outcome(Status.ERROR, Reason.COMMAND_REFUSED, message)
    return request, None
