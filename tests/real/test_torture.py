"""A short torture run: all kinds of builds and faults, and nothing lost, doubled, stuck or cut."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.real.harness import TOP
from tests.torture.plan import FaultKind

SEED = 7
MINUTES = 0.8
LIMIT_S = 420  # it ends by itself much earlier; so long it waits for what never comes


@pytest.mark.timeout(LIMIT_S)
def test_nothing_is_lost() -> None:
    """The checker has no findings, and every kind of fault that may be done here was done."""
    words = [sys.executable, "-m", "tests.torture", f"--minutes={MINUTES}", f"--seed={SEED}"]
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["findings"] == [], done.stdout
    assert done.returncode == 0
    expected = set(FaultKind) - (set() if told["disks"] else {FaultKind.FULL_DISK})
    assert expected <= set(told["faults"])
