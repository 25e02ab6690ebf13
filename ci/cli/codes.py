"""Exit codes. Those of a build's command are handed on; ours are seldom used by a command."""

from __future__ import annotations

from typing import Final

from ci.model import Reason, Status

FAILED: Final = 1  # and nobody has said a code, or one that no program can end with
WRONG_USAGE: Final = 2  # a flag, a setting: nothing was asked
NOT_ASKED: Final = 122  # the server was not reached, or it said no
CANCELED: Final = 123
OUT_OF_TIME: Final = 124  # as timeout(1) says it
NO_VERDICT: Final = 125  # as `docker run` and `git bisect run` say it
INTERRUPTED: Final = 130  # by Ctrl-C, as shells say it
BROKEN_PIPE: Final = 141  # who reads has gone, as shells say it
BROKEN: Final = 70  # a bug of ours: EX_SOFTWARE
NOT_WRITTEN: Final = 74  # the output: EX_IOERR
_MOST: Final = 255  # of a larger one the system keeps the last eight bits: 256 would be 0
_BY_SIGNAL: Final = 128  # and the signal's number, as shells say it

_LIMITS: Final = (Reason.TIMEOUT, Reason.SILENCE)


def code_of(
    status: Status, reason: Reason | None, exit_code: int | None, signal: int | None = None
) -> int:
    """Return the exit code for a build that has ended."""
    match status:
        case Status.SUCCESS:
            return 0
        case Status.CANCELED:
            return CANCELED
        case Status.FAILURE if exit_code and exit_code == exit_code & _MOST:
            return exit_code
        case Status.FAILURE if signal:
            return _BY_SIGNAL + signal
        case Status.FAILURE if reason not in _LIMITS:
            return FAILED
    return OUT_OF_TIME if reason in _LIMITS else NO_VERDICT
