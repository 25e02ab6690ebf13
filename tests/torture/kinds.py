"""The kinds of builds that a torture run asks for, and how each of them may end."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci.model import Reason, Status

WORKLOAD: Final = Path(__file__).with_name("workload.py")
MISSING: Final = "0123456789abcdef0123456789abcdef01234567"  # a commit that no repository has
BUILD_TIMEOUT_S: Final = 40  # four times what the longest usual kind takes
SILENCE_S: Final = 10  # five times what the most silent usual kind needs; a start may be slow
NO_SPACE_EXIT: Final = 74  # of the workload, when its output could not be written; EX_IOERR
FAILING_EXIT: Final = 7


@dataclass(frozen=True, slots=True)
class End:
    """How a build ended."""

    status: Status
    reason: Reason | None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of build: how often it is asked for, and how it must end if nothing is in its way."""

    name: str
    weight: int
    end: End
    commit: str = "main"


_GOOD: Final = End(Status.SUCCESS, Reason.EXITED, 0)
_KINDS: Final = (
    Kind("quick", 30, _GOOD),
    Kind("chatty", 15, _GOOD),
    Kind("steady", 12, _GOOD),
    Kind("silent", 8, _GOOD),
    Kind("forking", 10, _GOOD),
    Kind("failing", 10, End(Status.FAILURE, Reason.EXITED, FAILING_EXIT)),
    Kind("endless", 2, End(Status.ERROR, Reason.TIMEOUT)),
    Kind("mute", 3, End(Status.ERROR, Reason.SILENCE)),
    Kind("missing", 5, End(Status.ERROR, Reason.CHECKOUT_FAILED), MISSING),
    Kind("meeting", 0, _GOOD),  # asked for at the end, one for each slot
)
KINDS: Final = {kind.name: kind for kind in _KINDS}


def command(kind: str, token: str, folder: Path) -> str:
    """Make the command of a build; it notes what it does in `folder`."""
    words = [sys.executable, "-I", "-S", WORKLOAD.name, kind, token, str(folder)]
    return shlex.join(words)


def token_of(command: str) -> str:
    """Find the token in a command that was made here; empty in any other."""
    words = shlex.split(command)
    return words[-2] if len(words) > 3 and words[-4] == WORKLOAD.name else ""
