"""What a build waits for is one sentence that says what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ci.model import Agent, AgentState, Labels
from ci.server import waiting
from ci.server.views import AgentView

ADVICE = "add what is missing to the setting labels of one, or run the build again without it"
NOON = datetime(2026, 11, 22, 12, 0, 59, tzinfo=UTC)


def agent(
    name: str,
    state: AgentState = AgentState.ONLINE,
    *,
    slots: int = 1,
    problem: str = "",
    note: str = "",
    labels: Labels = (),
) -> AgentView:
    """An agent as the server sees it."""
    paused = state is AgentState.PAUSED
    known = Agent(name, "h", 1, slots, labels, "", "b", "h", True, paused, NOON, NOON, note)
    return AgentView(known, state, NOON, (), problem=problem, takes_work=not problem)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (1, "Next"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (100, "100th"),
        (111, "111th"),
        (1002, "1002nd"),
        (1013, "1013th"),
    ],
)
def test_places_in_words(place: int, words: str) -> None:
    """As one says them."""
    assert waiting.in_line(place) == f"{words} in line"


@pytest.mark.parametrize(
    ("agents", "busy", "words"),
    [
        ([], [], "no agent has registered yet: start one with python -m ci.agent"),
        ([agent("oak")], [7], "agent oak is busy with #7"),
        ([agent("oak")], [], "agent oak is busy"),
        ([agent("oak", slots=2)], [7, 5], "both slots of agent oak are busy (#7, #5)"),
        ([agent("oak"), agent("elm")], [7, 5], "both slots of the 2 agents are busy (#7, #5)"),
        (
            [agent("oak", slots=4), agent("elm", slots=4)],
            [9, 8, 7, 6, 5],
            "all 8 slots of the 2 agents are busy (#9, #8, #7 and 2 more)",
        ),
        (
            [agent("oak"), agent("elm", AgentState.PAUSED), agent("fir", problem="full")],
            [7],
            "agent oak is busy with #7",
        ),
        (
            [agent("oak", AgentState.LOST)],
            [],
            "no agent takes work: oak is silent since 22 Nov, 12:00 UTC",
        ),
        (
            [
                agent("fir", AgentState.DRAINING),
                agent("oak", AgentState.PAUSED, note="moved"),
            ],
            [],
            "no agent takes work: oak is paused (moved), fir is stopping",
        ),
        (
            [agent("oak", AgentState.PAUSED), agent("ash", problem="0.1 MB free.")],
            [],
            "no agent takes work: ash refuses builds (0.1 MB free), oak is paused",
        ),
        (
            [agent(f"a{n}", AgentState.PAUSED) for n in range(9)],
            [],
            "no agent takes work: a0 is paused, a1 is paused, a2 is paused and 6 more",
        ),
    ],
)
def test_each_reason_has_its_words(agents: list[AgentView], busy: list[int], words: str) -> None:
    """Only agents from which something may be hoped count, if there is one."""
    assert waiting.why(agents, busy) == words


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("linux",), "both slots of the 2 agents with linux are busy (#7)"),
        (("fast",), "agent ash with fast is busy with #7"),
        (("arm",), "no agent with arm takes work: fir is paused"),
        (("gpu", "linux"), f"no agent has label gpu: {ADVICE}"),
        (("gpu", "tpu"), f"no agent has labels gpu and tpu: {ADVICE}"),
        (
            ("arm", "fast", "linux"),
            f"no agent has all of the labels arm, fast and linux: {ADVICE}",
        ),
        (("a", "b", "c", "d"), f"no agent has labels a, b, c and 1 more: {ADVICE}"),
    ],
)
def test_who_asks_for_labels_hears_of_agents_that_have_them(labels: Labels, words: str) -> None:
    """Others are not named: they are no hope for it."""
    agents = [
        agent("ash", labels=("fast", "linux")),
        agent("oak", labels=("linux",)),
        agent("fir", AgentState.PAUSED, labels=("arm",)),
        agent("elm"),
    ]
    assert waiting.why(agents, [7], labels) == words


def test_labels_that_leave_no_agent_out_are_not_named() -> None:
    """So that builds which wait for the same slots wait for the same reason."""
    agents = [agent("oak", labels=("linux",)), agent("fir", AgentState.PAUSED)]
    assert waiting.why(agents, [7], ("linux",)) == waiting.why(agents, [7])


@pytest.mark.parametrize(
    ("labels", "rivals"),
    [
        ((), {(), ("linux",)}),  # fir is paused: who waits for it takes no slot of the others
        (("linux",), {(), ("linux",)}),
        (("arm",), {(), ("arm",)}),
        (("gpu",), set()),
    ],
)
def test_rivals_are_those_who_would_take_the_same_slots(
    labels: Labels, rivals: set[Labels]
) -> None:
    """Of agents that take work, if there is one; who finds no agent at all has none."""
    agents = [agent("oak", labels=("linux",)), agent("fir", AgentState.PAUSED, labels=("arm",))]
    asked: list[Labels] = [(), ("linux",), ("arm",), ("gpu",), ("arm", "linux")]
    assert waiting.rivals(agents, labels, asked) == rivals
    assert waiting.rivals([], labels, asked) == set(asked)


def test_with_too_many_different_labels_in_line_all_are_rivals() -> None:
    """Nobody compares each with each then; but who finds no agent is in no line even so."""
    asked: list[Labels] = [(f"l{n}",) for n in range(waiting.MOST_ASKED + 1)]
    assert waiting.rivals([agent("oak")], (), asked) == {(), *asked}
    assert not waiting.rivals([agent("oak")], ("gpu",), asked)


def test_a_whole_sentence() -> None:
    """Place, reason and time; what is not known is left out."""
    said = waiting.sentence(3, "both slots are busy", waiting.starts(240))
    assert said == "3rd in line; both slots are busy; starts in about 4 min."
    assert waiting.sentence(1, "oak is busy", "") == "Next in line; oak is busy."
    assert waiting.sentence(None, "no agent has label gpu") == "No agent has label gpu."


def test_why_nothing_can_be_hoped_for_in_a_few_words() -> None:
    """As the long words begin; while some agent works there is nothing to say."""
    assert waiting.problem([]) == "no agent has registered yet"
    paused = agent("oak", AgentState.PAUSED)
    assert waiting.problem([paused]) == "no agent takes work"
    assert waiting.problem([paused, agent("elm")]) == ""
    assert waiting.brief(2, "no agent takes work") == "2nd in line; no agent takes work"
    assert waiting.brief(2, "") == "2nd in line"


def test_times_that_nobody_knows() -> None:
    """No estimate is said, and not left out; far back only a bound is known, or nothing."""
    assert waiting.starts(None) == waiting.NO_HISTORY
    assert waiting.starts(None, [20]) == (
        "nobody knows when it starts, since #20 takes far longer than such builds do"
    )
    assert "since #20 and #21 take far longer" in waiting.starts(None, [20, 21])
    assert waiting.starts_after(7200) == "starts in more than 2 h"
    assert waiting.starts_after(30) == waiting.starts_after(None) == ""
