"""Judges a torture run by its evidence. Pure: each rule is a function that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.torture import rules_attempts, rules_builds, rules_machine
from tests.torture.evidence import Evidence

Rule = Callable[[Evidence], Iterator[str]]

RULES: Final[tuple[Rule, ...]] = (
    rules_builds.accepted_are_kept,
    rules_builds.nothing_is_invented,
    rules_builds.refusals_are_clear,
    rules_builds.numbers_increase,
    rules_builds.all_have_ended,
    rules_builds.ends_are_final,
    rules_builds.ends_fit_the_kind,
    rules_attempts.attempts_are_in_order,
    rules_attempts.labels_are_minded,
    rules_attempts.commands_run_once,
    rules_attempts.verdicts_are_the_commands,
    rules_attempts.logs_are_exact,
    rules_attempts.canceled_logs_arrive,
    rules_attempts.the_given_up_stay_out,
    rules_attempts.agents_accept_once,
    rules_machine.nothing_is_left,
    rules_machine.agents_are_free,
    rules_machine.nothing_grows,
    rules_machine.programs_are_sound,
)


def check(evidence: Evidence) -> list[str]:
    """Return everything that is wrong, in words; empty when all promises were kept."""
    return [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(evidence)]
