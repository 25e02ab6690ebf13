"""The checker of the torture run finds what it is there to find: each rule is fed a lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci.model import Reason, Status
from tests.torture.checker import RULES, check
from tests.torture.evidence import (
    AgentAtEnd,
    Asked,
    Comparison,
    Event,
    Evidence,
    Refusal,
    Run,
    Sample,
    Told,
    Try,
)
from tests.torture.kinds import BUILD_TIMEOUT_S, End

GOOD = End(Status.SUCCESS, Reason.EXITED, 0)
LOST = End(Status.ERROR, Reason.AGENT_LOST)
CANCELED = End(Status.CANCELED, Reason.CANCELED)
SILENCE = End(Status.ERROR, Reason.SILENCE)
TIMEOUT = End(Status.ERROR, Reason.TIMEOUT)
WAITING = End(Status.WAITING, None)
EXACT = Comparison(9, 9, 9)
TAKEN, GIVEN_UP = "end of log taken", "end of log given up"


def a_try(id: str, end: End = GOOD, *, log: Comparison | None = EXACT) -> Try:
    """An attempt of agent1."""
    size = log.log if log is not None and end != LOST else None
    return Try(id, "agent1", end.status, end.reason, end.exit_code, size, log)


def a_build(number: int, *tries: Try, end: End | None = None) -> Told:
    """A build for the token that bears its number; it ended as its last attempt."""
    return Told(number, f"t{number}", end or tries[-1].end, tries)


def logged(name: str, **values: str) -> Event:
    """A line of a log."""
    return Event(name, values)


FIRST_LOST = a_try("2.1.1", LOST, log=Comparison(3, 9, 3))
SOUND = Evidence(
    asked=(
        Asked("t1", "quick", 0, number=1),
        Asked("t2", "steady", 0, number=2),
        Asked("t3", "quick", 1, number=3, cancels=(None, 200)),
        Asked("t4", "quick", 2, lossy=True),
        Asked("t5", "quick", 3, refusal=Refusal(503, "disk full")),
    ),
    builds=(
        replace(a_build(1, a_try("1.1.1")), labels=("agent1",)),
        a_build(2, FIRST_LOST, a_try("2.1.3")),
        a_build(3, end=CANCELED),
        a_build(4, a_try("4.1.1")),
    ),
    seen={1: (Status.WAITING, Status.SUCCESS), 2: (Status.RUNNING, Status.WAITING)},
    runs=(
        Run("1.1.1", "t1", 100, 0),
        Run("2.1.1", "t2", 101, None),
        Run("2.1.3", "t2", 102, 0),
        Run("4.1.1", "t4", 103, 0),
    ),
    events={
        "server": (
            logged("result taken", attempt="1.1.1", status="success"),
            logged("build ended", build="1", status="success"),
            logged("attempt given up", attempt="2.1.1"),
            logged("attempt put back", attempt="2.1.2"),
            logged("result taken", attempt="2.1.3", status="success"),
            logged("build canceled", build="3", attempts="[]"),
        ),
        "agent1": (logged("attempt accepted", attempt="1.1.1"),),
    },
    agents=(AgentAtEnd("agent1", "online", (), ()),),
    samples=(Sample("server", 1, 90 << 20, 40),),
    at_rest=(Sample("server", 1, 80 << 20, 25),),
)


def with_asked(*asked: Asked) -> Evidence:
    """Ask for something else at the end."""
    return replace(SOUND, asked=SOUND.asked + asked)


def with_build(build: Told) -> Evidence:
    """Tell something else of a build, or of one more."""
    others = tuple(each for each in SOUND.builds if each.number != build.number)
    return replace(SOUND, builds=(*others, build))


def with_run(run: Run) -> Evidence:
    """Let a command have run otherwise, or once more."""
    others = tuple(each for each in SOUND.runs if each.pid != run.pid)
    return replace(SOUND, runs=(*others, run))


def with_events(program: str, *events: Event) -> Evidence:
    """Log something more."""
    return replace(SOUND, events={**SOUND.events, program: SOUND.events[program] + events})


def broken_rules(evidence: Evidence) -> set[str]:
    """Name the rules that have something to say."""
    return {finding.split(":")[0] for finding in check(evidence)}


def with_canceled(*tries: Try, said: str | None = None, times: int = 1) -> Evidence:
    """Let commands have begun that were canceled, and the server have said that of their logs."""
    builds = [a_build(100 + number, each) for number, each in enumerate(tries)]
    runs = [Run(each.id, "t", 200 + number, None) for number, each in enumerate(tries)]
    lines = [logged(said, attempt=each.id) for each in tries for _ in range(times) if said]
    return replace(
        with_events("server", *lines),
        builds=(*SOUND.builds, *builds),
        runs=(*SOUND.runs, *runs),
    )


def cut_short(id: str) -> Try:
    """A canceled attempt, the end of whose log did not come."""
    return replace(a_try(id, CANCELED, log=Comparison(3, 9, 3)), log_size=None)


THRICE_LOST = [a_try(f"1.1.{n}", LOST, log=Comparison(0, 0, 0)) for n in (1, 2, 3)]

LIES = [
    ("accepted_are_kept", with_asked(Asked("t9", "quick", 0, number=9))),
    ("accepted_are_kept", with_asked(Asked("t9", "quick", 4, number=4))),
    ("nothing_is_invented", with_build(a_build(9, a_try("9.1.1", CANCELED)))),
    ("nothing_is_invented", with_build(a_build(5, end=CANCELED))),
    ("nothing_is_invented", with_build(replace(SOUND.builds[0], number=6))),
    ("refusals_are_clear", with_asked(Asked("t9", "quick", 0, refusal=Refusal(500, "oops")))),
    ("numbers_increase", with_asked(Asked("t1", "quick", 0, number=1))),
    ("numbers_increase", with_asked(Asked("t1", "quick", 5, number=1))),
    ("numbers_increase", replace(SOUND, builds=(*SOUND.builds, SOUND.builds[0]))),
    ("all_have_ended", with_build(a_build(1, a_try("1.1.1"), end=WAITING))),
    ("ends_are_final", replace(SOUND, seen={1: (Status.SUCCESS, Status.RUNNING)})),
    ("ends_are_final", replace(SOUND, seen={1: (Status.FAILURE,)})),
    (
        "ends_fit_the_kind",
        with_build(a_build(1, a_try("1.1.1", End(Status.FAILURE, Reason.EXITED, 1)))),
    ),
    ("ends_fit_the_kind", with_build(a_build(1, a_try("1.1.1", LOST)))),
    ("ends_fit_the_kind", with_build(a_build(1, a_try("1.1.1", TIMEOUT)))),
    ("ends_fit_the_kind", with_build(a_build(1, end=CANCELED))),
    ("ends_fit_the_kind", with_build(a_build(3, a_try("3.1.1")))),
    ("attempts_are_in_order", with_build(a_build(1, *THRICE_LOST, a_try("1.1.4")))),
    ("attempts_are_in_order", with_build(a_build(1, a_try("1.1.1"), a_try("1.1.2")))),
    ("attempts_are_in_order", with_build(a_build(2, a_try("2.1.3"), FIRST_LOST, end=GOOD))),
    ("attempts_are_in_order", with_build(a_build(1, a_try("1.1.1", SILENCE), end=GOOD))),
    ("attempts_are_in_order", with_build(a_build(1, end=GOOD))),
    (
        "labels_are_minded",
        with_build(replace(a_build(1, a_try("1.1.1")), labels=("agent2",))),
    ),
    ("commands_run_once", with_run(Run("1.1.1", "t1", 999, 0))),
    ("commands_run_once", with_run(Run("1.1.2", "t1", 999, 0))),
    ("commands_run_once", with_run(Run("1.1.1", "t2", 100, 0))),
    ("verdicts_are_the_commands", with_run(Run("1.1.1", "t1", 100, 7))),
    ("verdicts_are_the_commands", with_run(Run("1.1.1", "t1", 100, None))),
    ("verdicts_are_the_commands", with_build(a_build(1, a_try("1.1.1", SILENCE)))),
    ("logs_are_exact", with_build(a_build(1, a_try("1.1.1", log=None)))),
    ("logs_are_exact", with_build(a_build(1, a_try("1.1.1", log=Comparison(8, 9, 8))))),
    ("logs_are_exact", with_build(a_build(1, a_try("1.1.1", log=Comparison(9, 9, 4))))),
    ("logs_are_exact", with_build(a_build(1, replace(a_try("1.1.1"), log_size=8)))),
    ("logs_are_exact", with_build(a_build(1, replace(a_try("1.1.1"), read_before=False)))),
    (
        "logs_are_exact",
        with_build(a_build(2, replace(FIRST_LOST, log=Comparison(3, 9, 2)), a_try("2.1.3"))),
    ),
    ("logs_are_exact", with_canceled(a_try("9.1.1", CANCELED, log=Comparison(3, 9, 3)))),
    ("canceled_logs_arrive", with_canceled(cut_short("9.1.1"))),
    ("canceled_logs_arrive", with_canceled(a_try("9.1.1", CANCELED), said=GIVEN_UP)),
    ("canceled_logs_arrive", with_canceled(a_try("9.1.1", CANCELED), said=TAKEN, times=2)),
    ("canceled_logs_arrive", with_canceled(a_try("9.1.1"), said=TAKEN)),
    (
        "canceled_logs_arrive",
        with_canceled(*(cut_short(f"{n}.1.1") for n in range(100, 110)), said=GIVEN_UP),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("result taken", attempt="2.1.1", status="success")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("result taken", attempt="4.1.1", status="failure")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("result taken", attempt="8.1.1", status="failure")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("attempt put back", attempt="4.1.1")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("build canceled", build="2", attempts="['2.1.3']")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("build ended", build="1", status="failure")),
    ),
    (
        "the_given_up_stay_out",
        with_events("server", logged("build ended", build="4", status="failure")),
    ),
    ("the_given_up_stay_out", replace(SOUND, events={})),
    ("agents_accept_once", with_events("agent1", logged("attempt accepted", attempt="1.1.1"))),
    ("nothing_is_left", replace(SOUND, processes=("17 sleep 600",))),
    ("nothing_is_left", replace(SOUND, folders=("agent1/spool/1.1.1",))),
    ("agents_are_free", replace(SOUND, agents=(AgentAtEnd("agent1", "lost", (), ()),))),
    ("agents_are_free", replace(SOUND, agents=(AgentAtEnd("agent1", "online", ("1.1.1",), ()),))),
    ("agents_are_free", replace(SOUND, agents=(AgentAtEnd("agent1", "online", (), ("1.1.1",)),))),
    ("nothing_grows", replace(SOUND, samples=(Sample("server", 1, 900 << 20, 40),))),
    ("nothing_grows", replace(SOUND, samples=(Sample("server", 1, 90 << 20, 1100),))),
    ("nothing_grows", replace(SOUND, at_rest=(Sample("server", 1, 250 << 20, 40),))),
    ("programs_are_sound", replace(SOUND, complaints=("agent1 has ended by itself",))),
    ("programs_are_sound", replace(SOUND, problems=("server logged: Traceback",))),
    ("programs_are_sound", replace(SOUND, store_problems=("the store is damaged",))),
]


def test_a_sound_history_passes() -> None:
    """Lost attempts, cancels, refusals and answers that nobody heard are no findings."""
    assert check(SOUND) == []


def test_the_log_of_a_canceled_command_may_be_longer_than_its_note() -> None:
    """It was killed between the two; or its agent was given up, as the server said."""
    for history in (
        with_canceled(a_try("9.1.1", CANCELED, log=Comparison(10, 9, 9)), said=TAKEN),
        with_canceled(cut_short("9.1.1"), said=GIVEN_UP),
    ):
        assert not broken_rules(history) & {"logs_are_exact", "canceled_logs_arrive"}


def test_a_usual_build_may_run_out_of_time_while_its_agent_is_away() -> None:
    """But only when the time really was over, and its command had not ended by itself."""
    late = replace(a_build(1, a_try("1.1.1", TIMEOUT)), duration_s=BUILD_TIMEOUT_S)
    assert "ends_fit_the_kind" not in broken_rules(with_build(late))
    assert "verdicts_are_the_commands" in broken_rules(with_build(late))


@pytest.mark.parametrize(("rule", "lie"), LIES)
def test_a_broken_history_is_rejected(rule: str, lie: Evidence) -> None:
    """The rule that is there for it says so."""
    assert rule in broken_rules(lie)


def test_each_rule_is_fed_a_lie() -> None:
    """A rule that nothing breaks would be no rule."""
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in LIES}
