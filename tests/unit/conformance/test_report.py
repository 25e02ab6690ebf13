"""What the kit prints, and how it ends."""

from __future__ import annotations

import json

import pytest

from ci.conformance.main import main
from ci.conformance.probe import Finding, Verdict
from ci.conformance.report import as_json, exit_code, line_of, summary_of

GOOD = Finding("green build", "a good build is shown as that", Verdict.HOLDS, "fine", 0.5)
BAD = Finding("red build", "a bad build is shown as that", Verdict.DOES_NOT, "shown as good", 1.0)
DARK = Finding("cancel", "its agent is asked to end it", Verdict.CAN_NOT_TELL, "no way", 0.0)


def test_what_does_not_hold_is_told_with_the_contract() -> None:
    """Of what holds the name and what was seen are enough."""
    assert line_of(GOOD) == f"✓ holds       {'green build':26}  fine"
    first, second = line_of(BAD).splitlines()
    assert first == f"✗ does not    {'red build':26}  shown as good"
    assert second.strip() == "contract: a bad build is shown as that"


def test_a_program_reads_all_of_it() -> None:
    """Verdicts are words without a space or an apostrophe."""
    said = json.loads(as_json("http://x", [GOOD, BAD, DARK]))
    assert said["target"] == "http://x"
    assert [each["verdict"] for each in said["probes"]] == ["holds", "does_not", "can_not_tell"]
    assert said["probes"][1]["contract"] == BAD.says


@pytest.mark.parametrize(
    ("findings", "code", "words"),
    [
        ([GOOD], 0, "1 hold, 0 do not, 0 can't be told from here"),
        ([GOOD, DARK], 0, "1 hold, 0 do not, 1 can't be told from here"),
        ([GOOD, BAD, DARK], 1, "1 hold, 1 do not, 1 can't be told from here"),
    ],
)
def test_only_what_was_found_wrong_is_a_failure(
    findings: list[Finding], code: int, words: str
) -> None:
    """What can't be told is nobody's fault."""
    assert exit_code(findings) == code
    assert summary_of(findings) == words


@pytest.mark.parametrize("kind", ["server", "agent"])
def test_a_probe_that_does_not_exist_is_named(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And those that do."""
    assert main([kind, "http://127.0.0.1:9", "--only", "colour"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("conformance: --only 'colour': is none of the probes register, ")
