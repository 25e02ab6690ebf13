"""The parameters that the calls of the API take in their addresses, with what each may be."""

from __future__ import annotations

from typing import Any, Final

from ci.model import MAX_NUMBER, Status
from ci.server.views import DEFAULT_LIMIT, MAX_LIMIT
from ci.web.operation import Parameter
from ci.web.query import MAX_TEXT_CHARS

_TEXT: Final[dict[str, Any]] = {"type": "string", "maxLength": MAX_TEXT_CHARS}
_NUMBER: Final[dict[str, Any]] = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}

REPOSITORY: Final = Parameter("repository", "a name or an URL", _TEXT)
COMMAND: Final = Parameter("command", "what would be run", {"type": "string", "minLength": 1})
ATTEMPT: Final = Parameter("attempt", "id of an attempt; the latest one if absent", _TEXT)
EXACT: Final = Parameter(
    "exact",
    "1: of the very commit, not what its branch is now",
    {"type": "integer", "minimum": 0, "maximum": 1},
)
RANGE: Final = Parameter(
    "Range",
    "one range of bytes, such as `bytes=997-`; any other is passed over",
    {"type": "string"},
    place="header",
)
OF_THE_LIST: Final = (
    Parameter("status", "of the builds", {"type": "string", "enum": [str(one) for one in Status]}),
    REPOSITORY,
    Parameter("branch", "of the commit, as its agent found it", _TEXT),
    Parameter("agent", "the agent that has, or had, the build", _TEXT),
    Parameter(
        "q",
        "a part of number, commit, hash, subject, author, branch, command, agent or labels",
        _TEXT,
    ),
    Parameter(
        "before",
        "only builds with a smaller number, the newest of these",
        _NUMBER | {"minimum": 1},
    ),
    Parameter(
        "after",
        "only builds with a larger number, the oldest of these; not together with `before`",
        _NUMBER,
    ),
    Parameter(
        "limit",
        "how many at most",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
)
