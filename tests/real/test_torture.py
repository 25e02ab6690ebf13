"""A short torture run: all kinds of builds and faults, and nothing lost, doubled, stuck or cut."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.real.harness import TOP
from tests.torture.plan import FaultKind

SEED: Final = 7  # the same plan each time; what it meets is not
MINUTES: Final = 0.8
LIMIT_S: Final = 600  # it ends by itself much earlier; so long it waits for what never comes
SHOWN_LINES: Final = 300  # of the logs, when something was found


@pytest.mark.timeout(LIMIT_S)
def test_nothing_is_lost(tmp_path: Path) -> None:
    """The checker has no findings, and every kind of fault that may be done here was done."""
    site = tmp_path / "site"
    words = [sys.executable, "-m", "tests.torture", f"--minutes={MINUTES}", f"--seed={SEED}"]
    words.append(f"--keep={site}")
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    if told["findings"]:
        print(*tell(site, told["findings"]), sep="\n")  # noqa: T201 - pytest shows it
    assert told["findings"] == [], f"{done.stderr}{done.stdout}"
    assert done.returncode == 0
    expected = set(FaultKind) - (set() if told["disks"] else {FaultKind.FULL_DISK})
    assert expected <= set(told["faults"])
    shutil.rmtree(site)  # nobody needs what went well, and it is large


def tell(site: Path, findings: list[str]) -> Iterator[str]:
    """What the programs have logged of the builds that the findings name."""
    numbers = set(re.findall(r"(?:build|attempt) (\d+)", " ".join(findings)))
    about = re.compile(rf"\b(?:build|attempt)='?(?:{'|'.join(numbers) or 'none'})\b")
    lines = [
        f"{log.stem}: {line}"
        for log in sorted(site.glob("*.log"))
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if about.search(line)
    ]
    yield from lines[:SHOWN_LINES]
