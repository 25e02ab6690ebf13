"""`make bench` runs through, on next to nothing. How long things take is not asked here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import compare
from bench.__main__ import MEASURES, main

FACTS = {"at", "commit", "cores", "kernel", "python", "load_before", "load_after", "took_s"}


@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well, keeps one line that says what was found and where, and can be compared."""
    kept = tmp_path / "results" / "kept.jsonl"
    assert main([name, "--tiny", "--sandbox=none", f"--out={kept}"]) == 0
    (line,) = kept.read_text(encoding="utf-8").splitlines()
    found = json.loads(line)
    assert found["measure"] == name
    assert found["figures"]
    assert found["machine"].keys() >= FACTS
    capsys.readouterr()
    assert compare.main([str(kept), str(kept)]) == 0
    table = capsys.readouterr().out
    assert all(f"{name} {each} (tiny)" in table for each in found["figures"])
