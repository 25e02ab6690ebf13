"""What a build waits for, in one sentence: its place, why nobody takes it, when it starts. No I/O.

`3rd in line; both slots of the 2 agents are busy (#409, #411); starts in about 4 min.`
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from ci.model import AgentState, Labels
from ci.server.forecast import MINUTE, in_words
from ci.server.views import AgentView

BEING_HANDED: Final = "It is being handed to an agent."
NO_AGENT: Final = "no agent has registered yet"
NO_HISTORY: Final = "no build was green yet, so nobody knows when it starts"
DISK_SHORT: Final = "the server's disk is short"
_ADVICE: Final = (
    "add what is missing to the setting labels of one, or run the build again without it"
)
MOST_ASKED: Final = 100  # sets of labels that are told apart in line: with more, all are rivals
NAMED: Final = 3  # agents or builds by name; a sentence with more of them is not read

# Who is soonest back is named first.
_HOPE: Final = (AgentState.ONLINE, AgentState.PAUSED, AgentState.DRAINING, AgentState.LOST)


def is_ready(agent: AgentView) -> bool:
    """Whether a build that waits may hope for this agent's slots.

    One that took a build and refused another, for now, has its slots busy; one that has only
    refused has a problem.
    """
    return agent.state is AgentState.ONLINE and not agent.problem


def has_labels(agent: AgentView, labels: Labels) -> bool:
    """Whether an agent can do what a build asks for."""
    return set(labels).issubset(agent.agent.labels)


def sentence(place: int | None, *reasons: str) -> str:
    """Put a place in line, if it has one, and what is known beside it into one sentence."""
    said = "; ".join(filter(None, ["" if place is None else in_line(place), *reasons]))
    return f"{said[:1].upper()}{said[1:]}."


def brief(place: int | None, *reasons: str) -> str:
    """Put a place in line and what is to be said beside it into the few words of a list."""
    return sentence(place, *reasons).removesuffix(".")


def in_line(place: int) -> str:
    """`Next in line`, `2nd in line`, `11th in line`, `23rd in line`."""
    if place == 1:
        return "Next in line"
    teens = place // 10 % 10 == 1
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending} in line"


def rivals(
    agents: Sequence[AgentView], labels: Labels, asked: Collection[Labels]
) -> Collection[Labels]:
    """Say which of the labels that are `asked` for compete with a build that asks for `labels`.

    They do where one of the agents that it may hope for would take either. None do where no agent
    has its labels: it stands in no line.
    """
    able = [agent for agent in agents if has_labels(agent, labels)]
    if not agents or (able and len(asked) > MOST_ASKED):
        return {labels, *asked}
    hopes = {frozenset(agent.agent.labels) for agent in filter(is_ready, able)} or {
        frozenset(agent.agent.labels) for agent in able
    }
    return {each for each in (labels, *asked) if any(has.issuperset(each) for has in hopes)}


def problem(agents: Sequence[AgentView], labels: Labels = ()) -> str:
    """Say briefly why no agent would take a build that asks for `labels`, if all slots were free.

    Nothing if one would.
    """
    if not agents:
        return NO_AGENT
    able = [agent for agent in agents if has_labels(agent, labels)]
    if not able:
        return _lacking(agents, labels)
    return "" if any(map(is_ready, able)) else _none_works(labels)


def why(agents: Sequence[AgentView], busy: Sequence[int], labels: Labels = ()) -> str:
    """Say why no agent takes the next build that asks for `labels`.

    `busy` are the builds in the slots it may hope for.
    """
    if not agents:
        return f"{NO_AGENT}: start one with python -m ci.agent"
    able = [agent for agent in agents if has_labels(agent, labels)]
    if not able:
        return f"{_lacking(agents, labels)}: {_ADVICE}"
    ready = [agent for agent in able if is_ready(agent)]
    if not ready:
        idle = sorted(able, key=lambda agent: _HOPE.index(agent.state))
        return f"{_none_works(labels)}: {_few([_excuse(agent) for agent in idle])}"
    slots = sum(agent.agent.slots for agent in ready)
    builds = _few([f"#{number}" for number in busy])
    owner = f"agent {ready[0].agent.name}" if len(ready) == 1 else f"the {len(ready)} agents"
    if not all(has_labels(agent, labels) for agent in agents if is_ready(agent)):
        owner += _having(labels)  # else it says nothing: who does not have them does not count
    if slots == 1:
        return f"{owner} is busy with {builds}" if builds else f"{owner} is busy"
    count = "both" if slots == 2 else f"all {slots}"
    return f"{count} slots of {owner} are busy" + (f" ({builds})" if builds else "")


def without_advice(words: str) -> str:
    """Leave out what to do about it: above a list that has no room, on a build's page it has."""
    return words.replace(f": {_ADVICE}", "")


def starts(seconds: int | None, overdue: Sequence[int] = ()) -> str:
    """Say when it starts, or why nobody knows: by the builds that are long `overdue`, if any."""
    if seconds is not None:
        return f"starts {in_words(seconds)}"
    if not overdue:
        return NO_HISTORY
    builds = _and([f"#{number}" for number in overdue])
    take = "takes" if len(overdue) == 1 else "take"
    return f"nobody knows when it starts, since {builds} {take} far longer than such builds do"


def starts_after(seconds: int | None) -> str:
    """Say when it starts at the earliest; nothing when that is soon, or not known."""
    if seconds is None or seconds < MINUTE:
        return ""
    return f"starts {in_words(seconds)}".replace("about", "more than")


def _lacking(agents: Sequence[AgentView], labels: Labels) -> str:
    """Say which labels no agent has, or not all of them at once."""
    missing = [label for label in labels if not any(has_labels(each, (label,)) for each in agents)]
    if not missing:
        return f"no agent has all of the labels {_and(labels)}"
    return f"no agent has label{'s' * (len(missing) > 1)} {_and(missing)}"


def _none_works(labels: Labels) -> str:
    return f"no agent{_having(labels)} takes work"


def _having(labels: Labels) -> str:
    return f" with {_and(labels)}" if labels else ""


def _excuse(view: AgentView) -> str:
    """Why an agent takes no work."""
    name = view.agent.name
    match view.state:
        case AgentState.LOST:
            heard = view.last_heard.astimezone(UTC)
            return f"{name} is silent since {_exact(heard)}"
        case AgentState.PAUSED:
            note = view.agent.pause_note
            return f"{name} is paused ({note})" if note else f"{name} is paused"
        case AgentState.DRAINING:
            return f"{name} is stopping"
        case AgentState.ONLINE:
            return f"{name} refuses builds ({view.problem.rstrip('.')})"


def _exact(time: datetime) -> str:
    return time.strftime("%-d %b, %H:%M UTC")


def _few(words: Sequence[str]) -> str:
    more = len(words) - NAMED
    return ", ".join(words[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _and(words: Sequence[str]) -> str:
    """`one`, `one and two`, `one, two and three`, `one, two, three and 4 more`."""
    if len(words) > NAMED:
        return _few(words)
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
