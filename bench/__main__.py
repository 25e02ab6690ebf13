"""Measure: real server, real agents, real git, by the public API alone.

    python -m bench                      all of it, below ten minutes
    python -m bench one burst            only these
    python -m bench --whole              with what takes long
    python -m bench --tiny               with next to nothing, to see that it runs

Prints one line of JSON for each measure, and keeps them in a file for `python -m bench.compare`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench import browsers, burst, checkout, idle, line_to_screen, log, one, startup
from bench import list as lists
from bench.figures import Figures
from bench.machine import Others, facts, leave, load
from bench.stage import Size, Stage, open_stage

MEASURES: Final[dict[str, Callable[[Stage], Figures]]] = {
    "one": one.measure,
    "burst": burst.measure,
    "checkout": checkout.measure,
    "log": log.measure,
    "line_to_screen": line_to_screen.measure,
    "list": lists.measure,
    "browsers": browsers.measure,
    "idle": idle.measure,
    "startup": startup.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and return the exit code."""
    wanted = _parse(arguments)
    path: Path = wanted.out
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for name in wanted.measures or MEASURES:
            line = json.dumps(run(name, wanted.size, wanted.sandbox))
            print(line, flush=True)  # noqa: T201 - the result
            print(line, file=file, flush=True)
    print(f"kept in {path}", file=sys.stderr)  # noqa: T201 - where to find it
    return 0


def run(name: str, size: Size, sandbox: str) -> dict[str, Any]:
    """Do one measure and return all that is kept of it."""
    began, others = time.monotonic(), Others()
    with open_stage(size, sandbox) as stage:
        machine = facts(stage.site.folder, sandbox)
        figures = MEASURES[name](stage)
    machine |= {"load_after": load(), "others_cores": others.cores()}
    machine |= {"took_s": round(time.monotonic() - began, 1)}
    shown = {each: found.as_json() for each, found in figures.items()}
    return {"measure": name, "size": size.value, "figures": shown, "machine": machine}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    sizes = parser.add_mutually_exclusive_group()
    for size in (Size.TINY, Size.WHOLE):
        sizes.add_argument(
            f"--{size.value}", dest="size", action="store_const", const=size, default=Size.USUAL
        )
    parser.add_argument("--sandbox", default="auto", help="the agents' setting of that name")
    now = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    parser.add_argument("--out", type=Path, default=Path(f"bench-results/{now}.jsonl"))
    wanted = parser.parse_args(arguments)
    if unknown := set(wanted.measures) - set(MEASURES):
        parser.error(f"{', '.join(sorted(unknown))}: no such measure; use {', '.join(MEASURES)}")
    return wanted


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    sys.exit(main())
