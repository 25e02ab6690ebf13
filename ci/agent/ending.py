"""How an attempt ended, in words for the person who asked for the build. Pure."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Final

from ci.model import Outcome, Reason, Status

_SIGNALLED = 128  # the shell's exit code of a command that was ended by signal N is 128 + N
# Signals that a limit of `rlimits.py` sends; a build may have set one of its own.
_LIMITS: Final[dict[int, str]] = {
    signal.SIGXCPU: "a process has used more processor time than it may (maxCpuSeconds)",
    signal.SIGXFSZ: "a file has become larger than it may (maxFileBytes)",
}
_SHOWN_CHARS = 500  # of an error; some quote all that they were given


def exited(code: int) -> Outcome:
    """Say what the exit code of a command means."""
    if code == 0:
        return Outcome(Status.SUCCESS, Reason.EXITED, exit_code=0)
    number = code - _SIGNALLED
    try:
        name = signal.Signals(number).name
    except ValueError:
        return Outcome(Status.FAILURE, Reason.EXITED, exit_code=code)
    message = f"Exit code {code} is the shell's word for a command that {name} has ended."
    if number in _LIMITS:
        message += f" That is what the system does when {_LIMITS[number]}."
    return Outcome(Status.FAILURE, Reason.EXITED, message, exit_code=code, signal=number)


def stopped(
    reason: Reason, timeout_s: float | None, silence_s: float | None, *, frozen: bool = False
) -> Outcome:
    """Say why a command was ended by us; `frozen`: a signal had stopped some of its processes."""
    if reason is Reason.CANCELED:
        return Outcome(Status.CANCELED, reason, "The build was canceled.")
    match reason:
        case Reason.TIMEOUT:
            sentence = f"The build took longer than {_words(timeout_s)} and was ended."
        case Reason.SILENCE:
            sentence = f"The command printed nothing for {_words(silence_s)} and was ended."
        case Reason.KILLED:
            sentence = "The command was killed: it used more memory than maxMemoryBytes allows."
        case Reason.AGENT_STOPPING:
            sentence = "The agent was stopped before the command had ended."
        case Reason.INTERNAL:  # for what is still missing at the end, see `removed`
            sentence = (
                "The agent's folder of this build, or a file in it, was moved away while the "
                "command ran, and is back. What was printed meanwhile may be lost, so the command "
                "was ended."
            )
        case _:
            sentence = "The command was ended."
    if frozen:
        sentence += " A signal, such as SIGSTOP, had stopped it or a process that it started."
    return failed(reason, sentence)


def killed() -> Outcome:
    """Say why a command that was started has left no exit code."""
    return failed(
        Reason.KILLED,
        "The command's supervisor was killed, and the command with it: by the build itself, by the "
        "operator, or because the machine had no memory left.",
    )


def machine_restarted() -> Outcome:
    """Say why nothing is known of a command that was started."""
    return failed(
        Reason.AGENT_RESTARTED, "The agent's machine was restarted before the end was on its disk."
    )


def removed(folder: Path, missing: Path, outcome: Outcome) -> Outcome:
    """Say that somebody has removed the attempt's folder, or a file in it, before `outcome`."""
    what = "The" if missing == folder else f"The file {missing.name} in the"
    return replace(
        outcome,
        status=Status.ERROR,
        reason=Reason.INTERNAL,
        message=f"{what} agent's folder {folder} was removed while the build ran.",
        exit_code=None,
        signal=None,
    )


def failed(reason: Reason, message: str) -> Outcome:
    """Say that no verdict was reached."""
    return Outcome(Status.ERROR, reason, message)


def broken(error: BaseException) -> Outcome:
    """Say what failed in the agent itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return failed(Reason.INTERNAL, f"The agent could not go on: {words[:_SHOWN_CHARS]}.")


def refused(error: OSError) -> Outcome:
    """Say why the command could not be started at all."""
    return failed(
        Reason.COMMAND_REFUSED, f"The command could not be started: {error.strerror or error}."
    )


def _words(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return "allowed"
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:g} seconds"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} minutes" + (f" {rest} seconds" if rest else "")
