"""Numbers and states in words: durations, times, sizes, why a build ended as it did. Pure."""

from __future__ import annotations

import re
import signal
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from ci.model import AgentState, Attempt, Build, Reason, Status
from ci.server.views import AgentView, Counts

MINUTE: Final = 60  # seconds
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
MONTH: Final = 30 * DAY  # after this a date says more than a number of days
OVERDUE: Final = 1.2  # times the usual time: every second build takes a little longer than usual
SIGNALLED: Final = 128  # the shell's exit code of a command that was ended by signal N is 128 + N
MAX_SHORT_CHARS: Final = 500  # more than a line of a list shows; a command may be as long as a file

TAKES_NO_WORK: Final = "not taking work"
LOG_ON_ITS_WAY: Final = "It was canceled. The end of its log is on its way."
LOG_CUT_OFF: Final = "The end of the log did not arrive."
_CONDITIONS: Final = ("online", TAKES_NO_WORK, "paused", "draining", "lost")

_NUMBER: Final = re.compile(r"#([1-9][0-9]{0,17})")  # of a build, in a sentence of ours

WENT_WRONG: Final = (Status.FAILURE, Status.ERROR)  # red, as people say

_REASONS: Final = {
    Reason.CANCELED: "It was canceled.",
    Reason.TIMEOUT: "It took longer than allowed and was ended.",
    Reason.SILENCE: "It printed nothing for too long and was ended.",
    Reason.KILLED: "The command was killed from outside.",
    Reason.CHECKOUT_FAILED: "Git could not bring the commit.",
    Reason.COMMAND_REFUSED: "The command was refused.",
    Reason.REPOSITORY_REFUSED: "The repository was refused.",
    Reason.AGENT_LOST: "The agent stopped answering.",
    Reason.AGENT_RESTARTED: "The agent was restarted and the command did not survive it.",
    Reason.AGENT_STOPPING: "The agent was stopped before the command ended.",
    Reason.SECRET_LOST: "A secret that it may have can't be opened.",
    Reason.DISK_FULL: "The agent's disk is full.",
    Reason.INTERNAL: "Something went wrong inside the system.",
}


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:  # from here on a tenth is noise
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def elapsed(since: datetime | None, now: datetime) -> str:
    """How long something has been going on, in whole seconds, so that it ticks evenly."""
    if since is None:
        return ""
    return _whole(max(0, int((now - since).total_seconds())))


def took(build: Build, now: datetime) -> str:
    """The duration of a build: final, or so far, or empty before it started."""
    if build.status is Status.RUNNING:
        return elapsed(build.started_at, now)
    return duration(build.duration_s)


def overdue(gone_s: int, typical_s: float | None) -> str:
    """`over by 2 min 5 s`: how much longer a build runs than usual; empty unless that is much."""
    if typical_s is None or gone_s < OVERDUE * typical_s:
        return ""
    return f"over by {_whole(int(gone_s - typical_s))}"


def ago(time: datetime, now: datetime) -> str:
    """`just now`, `2 min ago`, `5 h ago`, `3 d ago`; a date when it is long ago."""
    seconds = (now - time).total_seconds()
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min ago"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h ago"
    if seconds < MONTH:
        return f"{int(seconds // DAY)} d ago"
    return time.astimezone(UTC).strftime("%-d %b %Y")


def heard(time: datetime, now: datetime) -> str:
    """How long ago an agent was heard: to the second, since seconds matter there."""
    seconds = int((now - time).total_seconds())
    return f"{max(0, seconds)} s ago" if seconds < MINUTE else ago(time, now)


def exact(time: datetime) -> str:
    """`21 Nov 2026, 14:03:22 UTC`."""
    return time.astimezone(UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def size(count: int | None) -> str:
    """`0 B`, `12.3 kB`, `4.5 MB`: decimal units; empty for None."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(count: int) -> str:
    """`1,234,567`."""
    return f"{count:,}"


def counted(counts: Counts, status: Status | None = None) -> str:
    """How many builds there are of a status, or of all: `12`, `1,000+`; empty for none of one."""
    counts_of = counts.of.values() if status is None else [counts.of[status]]
    more = "+" if counts.most is not None and max(counts_of) >= counts.most else ""
    return "" if status is not None and not counts.of[status] else number(sum(counts_of)) + more


def short(text: str) -> str:
    """The beginning of a text that may be long, for lists; the build's page has it whole."""
    return text if len(text) <= MAX_SHORT_CHARS else f"{text[: MAX_SHORT_CHARS - 1]}…"


def odd_letters(name: str) -> str:
    """Name what in an agent's name may look like another letter; empty if nothing can.

    An administrator trusts an agent by its name, and a Cyrillic `a` looks like any other.
    """
    odd = dict.fromkeys(char for char in name if not char.isascii())
    return ", ".join(f"{char} is {unicodedata.name(char, 'a letter').lower()}" for char in odd)


def condition(view: AgentView) -> str:
    """The state of an agent as people need it: one that takes no work is no good one."""
    if view.state is AgentState.ONLINE and not view.takes_work:
        return TAKES_NO_WORK
    return view.state


def conditions(agents: Iterable[AgentView]) -> list[tuple[str, int]]:
    """How many agents are in which condition, the best first."""
    counts = Counter(map(condition, agents))
    return [(word, counts[word]) for word in _CONDITIONS if counts[word]]


def last_end(builds: Iterable[Build]) -> Status | None:
    """What a list, newest first, says of the code: how the newest ended that was not canceled."""
    said_something = (Status.SUCCESS, Status.FAILURE, Status.ERROR)
    return next((build.status for build in builds if build.status in said_something), None)


def worst(agents: Iterable[AgentView]) -> Status | None:
    """What one should know of all agents at once, as if they were one build; None without any."""
    known = set(map(condition, agents))
    if AgentState.LOST in known:
        return Status.FAILURE
    if TAKES_NO_WORK in known:
        return Status.ERROR
    return Status.SUCCESS if known else None


def with_numbers(text: str) -> list[tuple[str, str]]:
    """Cut a sentence behind each `#12`: what stands before it, and the number; empty at the end."""
    pieces = [*_NUMBER.split(text), ""]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def pauses(agents: Iterable[AgentView], said: Sequence[str]) -> list[tuple[str, str]]:
    """Which agents somebody has paused, and why he says so, unless that was `said` already."""
    notes = [(view.agent.name, view.agent.pause_note) for view in agents]
    return [(name, note) for name, note in notes if note and f"({note})" not in " ".join(said)]


def waiters(numbers: Sequence[int]) -> str:
    """`#7 waits`, `#7 and #8 wait`, `#7 and 3 more wait`: the first one is named."""
    first, *more = numbers
    if not more:
        return f"#{first} waits"
    return f"#{first} and {f'#{more[0]}' if len(more) == 1 else f'{len(more)} more'} wait"


def why(ended: Build | Attempt) -> str:
    """One sentence on why it ended as it did; empty while there is nothing to say.

    Not to be confused with `message`, which is what the agent or git said in detail.
    """
    if ended.reason is None:
        return ""
    if ended.reason is not Reason.EXITED:
        return _REASONS[ended.reason]
    # Where there is a message, it says of the exit code what is known.
    if (not ended.message or ended.exit_code is None) and (name := _signal(ended)):
        return f"The command was ended by {name}."
    if ended.status is Status.SUCCESS:
        return ""
    if ended.exit_code is None:
        return "The command failed."
    return f"The command failed with exit code {ended.exit_code}."


def verdict(build: Build) -> str:
    """Say why it ended, in the words of its agent where they say the same more exactly."""
    by_limit = build.reason in (Reason.TIMEOUT, Reason.SILENCE) and "was ended" in build.message
    by_somebody = build.reason is Reason.CANCELED and build.message
    return build.message if by_limit or by_somebody else why(build)


def lacks_end(attempt: Attempt) -> bool:
    """Whether its log, to which nothing more comes, may stop before its end."""
    return attempt.status is Status.CANCELED and attempt.log_size is None


def brief(build: Build) -> str:
    """What a list says of a build that did not succeed: a few words, or nothing."""
    if build.status is Status.FAILURE and build.exit_code is not None:
        return f"exit code {build.exit_code}"
    return why(build) if build.status in WENT_WRONG else ""


def _whole(seconds: int) -> str:
    return f"{seconds} s" if seconds < MINUTE else duration(seconds)


def _signal(ended: Build | Attempt) -> str:
    """Name the signal that has ended a command; empty if none has."""
    if isinstance(ended, Attempt) and ended.signal is not None:
        return _signal_name(ended.signal)
    number = (ended.exit_code or 0) - SIGNALLED
    return _signal_name(number) if number in set(signal.Signals) else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
