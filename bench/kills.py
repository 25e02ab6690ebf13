"""Look for builds that are lost, doubled or cut while both sides are killed with -9 at random.

    python bench/kills.py --builds 300 --seed 1

Two agents with two slots each, a repository of its own, ports and folders that are free. Prints
one line of JSON: how many builds and kills, how long, and every build that did not end exactly
once, as it should, with every byte of its log. Exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.real.harness import ENDED, Program, Server, Site
from tests.real.repository import Repository

KINDS = {
    "echo quick": ("success", b"quick\n"),
    "echo fail; exit 3": ("failure", b"fail\n"),
    "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.2; done": (
        "success",
        b"".join(b"line %d\n" % i for i in range(1, 11)),
    ),
    "seq 1 20000": ("success", b"".join(b"%d\n" % i for i in range(1, 20001))),
    "setsid sleep 300 & sleep 301 & echo forked": ("success", b"forked\n"),
}
PAUSES_S = (0.2, 1, 3, 5, 12)  # how long a killed program stays away; the grace time is 8 s
LIMIT_S = 1200.0


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-for", type=float, default=120.0, help="seconds of killing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nursery-ci-kills-") as folder:
        site = Site(Path(folder))
        try:
            outcome = run(site, arguments.builds, arguments.kill_for, arguments.seed)
        finally:
            site.close()
    print(json.dumps(outcome))  # noqa: T201 - the result
    return 1 if outcome["wrong"] or outcome["left"] else 0


def run(site: Site, builds: int, kill_for_s: float, seed: int) -> dict[str, Any]:
    """Ask for builds, kill, wait, and compare."""
    dice = random.Random(seed)
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path, grace_seconds=8)
    server.start()
    agents = [site.agent(server, f"agent{n}", slots=2) for n in (1, 2)]
    for agent in agents:
        agent.start()
    asked = {server.submit(command): command for command in dice.choices(list(KINDS), k=builds)}
    began = time.monotonic()
    kills = _kill(dice, [server, *agents], kill_for_s)
    ended = {number: server.wait_build(number, within_s=LIMIT_S) for number in asked}
    wrong = [problem for number in asked if (problem := _wrong(server, ended[number], asked))]
    time.sleep(1)
    return {
        "builds": len(ended),
        "seconds": round(time.monotonic() - began, 1),
        "kills": kills,
        "attempts": sum(len(build["attempts"]) for build in ended.values()),
        "wrong": wrong,
        "left": [each.cmdline() for each in site.survivors() if "sleep" in each.cmdline()[:1]],
    }


def _kill(dice: random.Random, programs: list[Program], for_s: float) -> dict[str, int]:
    """Kill one after the other, at most two at a time, and start them again a little later."""
    kills = {program.name: 0 for program in programs}
    back: dict[str, float] = {}
    until = time.monotonic() + for_s
    while back or time.monotonic() < until:
        time.sleep(dice.uniform(0.5, 2.5))
        for program in programs:
            if program.name in back and back[program.name] < time.monotonic():
                del back[program.name]
                program.start()
        up = [program for program in programs if program.name not in back]
        if len(up) > 1 and time.monotonic() < until:
            victim = dice.choice(up)
            victim.kill()
            kills[victim.name] += 1
            back[victim.name] = time.monotonic() + dice.choice(PAUSES_S)
    return kills


def _wrong(server: Server, build: dict[str, Any], asked: dict[int, str]) -> dict[str, Any] | None:
    status, log = KINDS[asked[build["number"]]]
    found = server.log_of(build["number"])
    decided = [one for one in build["attempts"] if one["reason"] == "exited"]
    if build["status"] == status and found == log and len(decided) == 1:
        return None
    assert build["status"] in ENDED
    return {"build": build, "log_bytes": len(found), "expected_bytes": len(log)}


if __name__ == "__main__":
    sys.exit(main())
