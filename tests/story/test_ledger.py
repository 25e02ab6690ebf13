"""A test of the test: the ledger finds each way in which a promise can be broken."""

from __future__ import annotations

import pytest

from tests.story.journal import Entry
from tests.story.ledger import Ledger

ACCEPTED = [Entry("accepted", 1, ("waiting", 0, ""))]
LEASED = [
    *ACCEPTED,
    Entry("job", 1, ("waiting", "running")),
    Entry("build", 1, ("waiting", "running", None)),
    Entry("leased", 1, ("1.1.1", "running", "one")),
]


def ended(status: str, reason: str, exit_code: int | None) -> list[Entry]:
    """The end of the build's first attempt, and with it of the build."""
    log_open = int(status == "canceled")
    return [
        Entry("attempt", 1, ("1.1.1", "running", status, reason, exit_code, log_open, None)),
        Entry("job", 1, ("running", status)),
        Entry("build", 1, ("running", status, reason)),
    ]


def lost(attempt: int) -> list[Entry]:
    """An attempt that was lost, after which its build waits again."""
    id = f"1.1.{attempt}"
    return [
        Entry("job", 1, ("waiting", "running")),
        Entry("build", 1, ("waiting", "running", None)),
        Entry("leased", 1, (id, "running", "one")),
        Entry("attempt", 1, (id, "running", "error", "agent_lost", None, 0, None)),
        Entry("job", 1, ("running", "waiting")),
        Entry("build", 1, ("running", "waiting", None)),
    ]


def rest_of_log(status: str, log_open: int, log_size: int | None) -> Entry:
    """What becomes of the log of the build's first attempt after it was canceled."""
    return Entry("attempt", 1, ("1.1.1", "canceled", status, "canceled", None, log_open, log_size))


ENDED = [*LEASED, *ended("canceled", "canceled", None)]
DELIVERED = [*ENDED, rest_of_log("canceled", 0, 7)]

BROKEN = {
    "a number that does not increase": [*ACCEPTED, *ACCEPTED],
    "a build begins by waiting": [Entry("accepted", 1, ("running", 0, ""))],
    "a build is lost": [*ACCEPTED, Entry("build gone", 1, ("waiting",))],
    "an agent without its labels": [
        Entry("accepted", 1, ("waiting", 0, "gpu")),
        *LEASED[len(ACCEPTED) :],
    ],
    "taken out of its turn": [
        *ACCEPTED,
        Entry("accepted", 2, ("waiting", 1, "")),
        *LEASED[len(ACCEPTED) :],
    ],
    "an id that is not the next": [*LEASED, Entry("leased", 1, ("1.1.1", "running", "two"))],
    "two current attempts": [*LEASED, Entry("leased", 1, ("1.1.2", "running", "two"))],
    "an ended attempt was put back": [*ENDED, Entry("put back", 1, ("1.1.1", "canceled"))],
    "an ended attempt has changed": [*ENDED, *ended("success", "exited", 0)],
    "an ended attempt has changed in": [*ENDED, rest_of_log("error", 0, 7)],
    "a log that was over has changed": [*DELIVERED, rest_of_log("canceled", 0, 8)],
    "a log that goes on is no news": [*ENDED, rest_of_log("canceled", 1, None)],
    "only a canceled one's log goes on": [
        *LEASED,
        Entry("attempt", 1, ("1.1.1", "running", "error", "agent_lost", None, 1, None)),
    ],
    "an ended build has changed": [*ENDED, Entry("build", 1, ("canceled", "canceled", "canceled"))],
    "an end that nobody told": [*LEASED, *ended("success", "exited", 0)],
    "an illegal change": [*ACCEPTED, Entry("build", 1, ("waiting", "success", "exited"))],
    "a change that the journal has missed": [
        *ACCEPTED,
        Entry("build", 1, ("running", "success", "exited")),
    ],
    "an end without a reason": [*ACCEPTED, Entry("build", 1, ("waiting", "canceled", None))],
    "given up too early": [*LEASED, *ended("error", "agent_lost", None)],
    "its job are of two minds": [*ACCEPTED, Entry("job", 1, ("waiting", "canceled"))],
    "build 1 is running": LEASED[:-1],
}


@pytest.mark.parametrize("problem", BROKEN)
def test_a_broken_history_is_rejected(problem: str) -> None:
    """Each with the words that say what is wrong with it."""
    with pytest.raises(AssertionError, match=problem):
        Ledger().read(BROKEN[problem])


def test_a_fourth_attempt_is_rejected() -> None:
    """After three lost ones the build ends."""
    ledger = Ledger()
    ledger.read(ACCEPTED)
    for attempt in (1, 2):
        ledger.read(lost(attempt))
    with pytest.raises(AssertionError, match="one attempt too many"):
        ledger.read(lost(3))


@pytest.mark.parametrize("agent", ["one", "two"])
def test_only_who_has_lost_a_build_leaves_it_to_others(agent: str) -> None:
    """Anybody else takes what is next."""
    ledger = Ledger()
    ledger.read([*ACCEPTED, Entry("accepted", 2, ("waiting", 0, ""))])
    ledger.read(lost(1))
    history = [
        Entry("job", 2, ("waiting", "running")),
        Entry("build", 2, ("waiting", "running", None)),
        Entry("leased", 2, ("2.1.1", "running", agent)),
    ]
    if agent == "one":
        ledger.read(history)
    else:
        with pytest.raises(AssertionError, match="out of its turn"):
            ledger.read(history)


def test_a_sound_history_is_accepted() -> None:
    """What was told by an agent, or is the server's to decide, is a legal end."""
    Ledger().read(DELIVERED)
