"""Torture server and agents, and look for anything that was lost, doubled, stuck or cut.

    python -m tests.torture --minutes 10 --seed 7

Prints the seed, then one line of JSON with figures and findings. Exit code 1 if there is a
finding. With `--keep FOLDER` everything stays there: data, logs, what the commands noted.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.torture import disks
from tests.torture.checker import check
from tests.torture.plan import make_plan
from tests.torture.report import figures
from tests.torture.run import run


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, help="repeat the plan of this seed; else a random one")
    parser.add_argument("--keep", type=Path, help="an empty or new folder that is kept")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    words = ["-m", "tests.torture", *sys.argv[1:]]
    disks.enter_namespace(words if arguments.seed is not None else [*words, f"--seed={seed}"])
    _warn(f"seed {seed}, {arguments.minutes:g} minutes")

    plan = make_plan(seed, arguments.minutes * 60)
    with tempfile.TemporaryDirectory(prefix="nursery-ci-torture-") as folder:
        place = arguments.keep or Path(folder) / "site"
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            parser.error(f"--keep {place}: is not empty; name a new folder")
        outcome = run(plan, place.absolute(), keep=arguments.keep is not None)
    if not outcome.has_disks:
        _warn("NO DISK WAS FILLED: a tmpfs can't be mounted here; run it as root")
    findings = check(outcome.evidence)
    print(json.dumps(figures(plan, outcome, findings)))  # noqa: T201 - the result
    return 1 if findings else 0


def _warn(words: str) -> None:
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - for the person at the terminal


if __name__ == "__main__":
    sys.exit(main())
