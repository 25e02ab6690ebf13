"""The figures of a torture run, as one JSON object."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.torture.plan import Plan
from tests.torture.run import Outcome


def figures(plan: Plan, outcome: Outcome, findings: list[str]) -> dict[str, Any]:
    """Say what was done and what came of it."""
    evidence = outcome.evidence
    tries = [each for build in evidence.builds for each in build.tries]
    samples = evidence.samples
    programs = sorted({sample.program for sample in samples})
    return {
        "seed": plan.seed,
        "minutes": round(plan.lasts_s / 60, 2),
        "settled_s": round(outcome.settled_s, 1),
        "asked": len(evidence.asked),
        "unanswered": sum(one.number is None and one.refusal is None for one in evidence.asked),
        "refused": sum(one.refusal is not None for one in evidence.asked),
        "builds": dict(Counter(str(build.end.status) for build in evidence.builds)),
        "attempts": dict(Counter(str(each.reason) for each in tries)),
        "log_bytes": sum(each.log.log for each in tries if each.log is not None),
        "faults": dict(outcome.faults),
        "lives": {
            name: max(each.life for each in samples if each.program == name) for name in programs
        },
        "max_rss_mib": {
            name: max(each.rss for each in samples if each.program == name) >> 20
            for name in programs
        },
        "max_files": {
            name: max(each.files for each in samples if each.program == name) for name in programs
        },
        "at_rest": {each.program: [each.rss >> 20, each.files] for each in evidence.at_rest},
        "disks": outcome.has_disks,
        "findings": findings,
    }
