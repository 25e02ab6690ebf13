"""The report: a table for people, JSON for programs, and an exit code."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from ci.conformance.probe import Finding, Verdict

WIDTH = 100  # characters of a line
_NAME_CHARS = 26
_VERDICT_CHARS = 12
_MARKS = {Verdict.HOLDS: "✓", Verdict.DOES_NOT: "✗", Verdict.CAN_NOT_TELL: "?"}


def line_of(finding: Finding) -> str:
    """Say what a probe found; where the contract does not hold, also what it says."""
    mark = f"{_MARKS[finding.verdict]} {finding.verdict}"
    head = f"{mark:{_VERDICT_CHARS}}  {finding.name:{_NAME_CHARS}}  "
    lines = textwrap.wrap(
        finding.seen,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
    ) or [head.rstrip()]
    if finding.verdict is Verdict.DOES_NOT:
        lines += textwrap.wrap(
            f"contract: {finding.says}",
            WIDTH,
            initial_indent=" " * len(head),
            subsequent_indent=" " * len(head),
        )
    return "\n".join(lines)


def summary_of(findings: Sequence[Finding]) -> str:
    """Count them in one line."""
    counts = dict.fromkeys(Verdict, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    holds, does_not, unknown = counts.values()
    return f"{holds} hold, {does_not} do not, {unknown} can't be told from here"


def as_json(target: str, findings: Sequence[Finding]) -> str:
    """Write all of it as one JSON object."""
    probes = [
        {
            "name": finding.name,
            "contract": finding.says,
            "verdict": finding.verdict.name.lower(),
            "seen": finding.seen,
            "took_s": round(finding.took_s, 3),
        }
        for finding in findings
    ]
    return json.dumps({"target": target, "probes": probes}, indent=1, ensure_ascii=False)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 when nothing was found that does not hold, else 1."""
    return int(any(finding.verdict is Verdict.DOES_NOT for finding in findings))
