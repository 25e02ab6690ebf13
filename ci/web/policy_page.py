"""The page of the rules: what may be built here, and whether a certain build would be allowed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quart import Response

from ci.errors import Rejected
from ci.policy import CommandPolicy
from ci.repository import shown_url
from ci.web import parts, query
from ci.web.core import the_core


async def policy() -> Response:
    """Show the rules, and what they say of a command, or of a build's; nothing is built.

    Raises NotFound for a build that there is not.
    """
    core = the_core()
    command, repository = query.command(), query.text("repository")
    if (again := query.again()) is not None:  # its command may be longer than any address
        build = (await core.build(again)).build
        command, repository = build.command, shown_url(build.repository)
    error = None
    try:
        found = await core.judge(repository=repository, command=command)
    except Rejected as wrong:
        error = wrong
        found = await core.judge()
    names = [shown_url(name) for name in core.repositories]
    context: dict[str, Any] = {
        "repositories": names,
        "form": {
            "repository": repository or next(iter(names), ""),
            "command": core.config.default_command if command is None else command,
        },
        "asked": command is not None and error is None,
        "judgements": found,
        "shown": {one.agent: CommandPolicy(one.commands).shown for one in found if one.commands},
        "error": error,
    }
    status = HTTPStatus.OK if error is None else error.http_status
    return await parts.send_page("policy.html", status, **context)
