"""The plan of a torture run: what is asked for and what is done to it, all from one seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.torture.kinds import KINDS

AGENTS: Final = ("agent1", "agent2", "agent3")
LABELED: Final = 3  # one build of so many asks for the label of one agent
SLOTS: Final = 2  # of each agent
ALL: Final = "all programs"
CLIENTS: Final = 5  # who ask for builds at the same time
LOSSY_CLIENTS: Final = 2  # of them, those behind a connection that loses answers
BUILDS_PER_S: Final = 1.0
BURST: Final = 20  # builds at the very beginning, so that the queue has a length
CANCELED: Final = 0.12  # share of builds that somebody cancels
FAULT_PAUSE_S: Final = (0.5, 4.0)  # between the beginnings of two faults
QUIET_END_S: Final = 25.0  # nothing that takes long is asked for so shortly before the end
LONG: Final = ("endless",)


class FaultKind(StrEnum):
    """What is done; each lasts for a while."""

    POWER_CUT = "kill -9 of all"
    KILL = "kill -9"
    AMBUSH = "kill -9 at a line"
    TERM = "SIGTERM"
    FREEZE = "SIGSTOP"
    CUT = "connection cut"
    SLOW = "connection slow"
    LATE = "requests late"
    SILENT = "connection half open"
    LOSE = "answers lost"
    TWICE = "requests sent twice"
    AGAIN = "requests sent again later"
    FULL_DISK = "disk full"
    CLOCK = "clock jumps"


# Seconds. The grace time and the silence limit are 10 s: some are shorter, some longer.
_LASTING: Final[dict[FaultKind, tuple[float, ...]]] = {
    FaultKind.POWER_CUT: (0.1, 3, 12),
    FaultKind.KILL: (0.1, 1, 3, 7, 15),
    FaultKind.AMBUSH: (0.1, 1, 7),
    FaultKind.TERM: (1, 5, 12),
    FaultKind.FREEZE: (1, 4, 8, 15),
    FaultKind.CUT: (0.5, 3, 8, 14),
    FaultKind.SLOW: (4, 10),
    FaultKind.LATE: (4, 10),
    FaultKind.SILENT: (2, 6, 14),
    FaultKind.LOSE: (4, 8),
    FaultKind.TWICE: (4, 8),
    FaultKind.AGAIN: (4, 8),
    FaultKind.FULL_DISK: (2, 6),
    FaultKind.CLOCK: (3, 9),
}
# What an agent, and what the server, logs right after, or right before, something matters.
_LINES: Final = (
    (
        "attempt accepted",
        "commit found",
        "command started",
        "processes ended",
        "attempt ended",
        "attempt delivered",
        "attempt picked up",
    ),
    (
        "build accepted",
        "attempt leased",
        "attempt handed over",
        "result taken",
        "build canceled",
        "attempt given up",
        "agent online",
    ),
)
_ON_PROGRAMS: Final = frozenset(
    {
        FaultKind.KILL,
        FaultKind.AMBUSH,
        FaultKind.TERM,
        FaultKind.FREEZE,
        FaultKind.FULL_DISK,
        FaultKind.CLOCK,
    }
)


@dataclass(frozen=True, slots=True)
class Submission:
    """A build that a client asks for, in seconds after the start; `token` is in its command.

    Of the agents those whose label it asks for may have it: each has its name for a label.
    """

    at_s: float
    client: int
    kind: str
    token: str
    cancel_after_s: float | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: `target` is a program, a link `agent1>server` or `server>agent1`, or `ALL`.

    `line` is the event at which an ambush kills.
    """

    at_s: float
    kind: FaultKind
    target: str
    lasts_s: float
    line: str = ""

    @property
    def place(self) -> str:
        """What can have only one fault at a time."""
        if self.kind in (FaultKind.FULL_DISK, FaultKind.CLOCK):
            return f"{self.kind} {self.target}"
        return self.target


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a run."""

    seed: int
    lasts_s: float
    submissions: tuple[Submission, ...]
    faults: tuple[Fault, ...]


def make_plan(seed: int, lasts_s: float) -> Plan:
    """Make the plan of a seed; the same seed and length make the same plan."""
    return Plan(
        seed,
        lasts_s,
        _submissions(random.Random(f"builds {seed}"), lasts_s),
        _faults(random.Random(f"faults {seed}"), lasts_s),
    )


def links() -> tuple[str, ...]:
    """Name the links between server and agents, one for each direction of asking."""
    return tuple(link for agent in AGENTS for link in (f"{agent}>server", f"server>{agent}"))


def _submissions(dice: random.Random, lasts_s: float) -> tuple[Submission, ...]:
    names = list(KINDS)
    weights = [KINDS[name].weight for name in names]
    times = [0.0] * BURST + [dice.uniform(0, lasts_s) for _ in range(round(lasts_s * BUILDS_PER_S))]
    # Of each kind one for sure, at the beginning.
    kinds = [name for name in names if KINDS[name].weight]
    kinds += dice.choices(names, weights, k=len(times) - len(kinds))
    found = []
    for index, (at_s, kind) in enumerate(zip(sorted(times), kinds, strict=True)):
        name = "quick" if kind in LONG and at_s > max(0, lasts_s - QUIET_END_S) else kind
        canceled = index >= BURST and dice.random() < CANCELED
        after_s = dice.choice((0.0, 0.3, 1.0, 3.0, 10.0)) if canceled else None
        # Not drawn: a seed asks for the same builds as ever.
        labels = AGENTS[index // LABELED % len(AGENTS) :][:1] if index % LABELED == 0 else ()
        client = dice.randrange(CLIENTS)
        found.append(Submission(at_s, client, name, f"t{index}", after_s, labels))
    return tuple(found)


def _faults(dice: random.Random, lasts_s: float) -> tuple[Fault, ...]:
    """Draw kinds as from a pack of cards, so that a short run has seen each of them."""
    pack: list[FaultKind] = []
    free_at: dict[str, float] = {}
    found = []
    at_s = 3.0
    while at_s < lasts_s:
        if not pack:
            pack = list(FaultKind)
            dice.shuffle(pack)
        kind = pack.pop()
        targets = _targets(kind)
        target = dice.choice(targets)
        line = dice.choice(_LINES[target == "server"]) if kind is FaultKind.AMBUSH else ""
        fault = Fault(at_s, kind, target, dice.choice(_LASTING[kind]), line)
        if free_at.get(fault.place, 0) <= at_s:
            free_at[fault.place] = at_s + fault.lasts_s + 1
            found.append(fault)
        else:
            pack.append(kind)  # it is tried again on the next turn
        at_s += dice.uniform(*FAULT_PAUSE_S)
    return tuple(found)


def _targets(kind: FaultKind) -> tuple[str, ...]:
    if kind is FaultKind.POWER_CUT:
        return (ALL,)
    return ("server", *AGENTS) if kind in _ON_PROGRAMS else links()
