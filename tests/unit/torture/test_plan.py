"""The plan of a torture run: repeatable, and even a short one has everything in it."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from tests.torture.kinds import KINDS, command, token_of
from tests.torture.plan import Fault, FaultKind, make_plan


def test_the_same_seed_makes_the_same_plan() -> None:
    """So that a finding can be looked for again; another seed makes another one."""
    assert make_plan(7, 60) == make_plan(7, 60)
    assert make_plan(7, 60).faults != make_plan(8, 60).faults
    assert make_plan(7, 60).submissions != make_plan(8, 60).submissions


def test_a_short_run_has_seen_each_kind() -> None:
    """Of builds and of faults."""
    for seed in range(20):
        plan = make_plan(seed, 60)
        assert {fault.kind for fault in plan.faults} == set(FaultKind)
        asked_for = {one.kind for one in plan.submissions}
        assert asked_for == {name for name, kind in KINDS.items() if kind.weight}
        assert len({one.token for one in plan.submissions}) == len(plan.submissions)


def test_a_place_has_one_fault_at_a_time() -> None:
    """The end of one must not undo the other."""
    by_place: dict[str, list[Fault]] = defaultdict(list)
    for fault in make_plan(1, 3600).faults:
        by_place[fault.place].append(fault)
    for faults in by_place.values():
        for before, after in pairwise(faults):
            assert before.at_s + before.lasts_s < after.at_s


def test_a_build_is_known_by_its_command() -> None:
    """Also one whose number nobody has heard."""
    assert token_of(command("quick", "t17", Path("/some where"))) == "t17"
    assert token_of("make test") == ""
