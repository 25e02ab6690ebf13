"""How quick pages, API and builds are, whatever the history: of 100 builds to a million.

For each number a store is written and a server started on it. `anew` are pages under an address
that nobody has asked for, each time; the others are met as they are kept. `poll` is what an open
list asks when nothing is new.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Final

from bench.big_store import REPOSITORIES, fill
from bench.cost import Cost
from bench.figures import Figures, figure
from bench.stage import BROWSER, Size, Stage, milliseconds

SIZES: Final = {
    Size.TINY: (100,),
    Size.USUAL: (100, 10_000),
    Size.WHOLE: (100, 1000, 10_000, 100_000, 1_000_000),
}
ROUNDS: Final = 5  # in each of which the processor's time is counted
WARMING: Final = 5  # requests that are not counted
PAGE: Final = 50  # builds
REAL: Final = "real"  # the name of the one repository that there is
LOOK_S: Final = 0.1  # between two looks whether a build has ended
HTMX: Final = {"HX-Request": "true", "Accept": "text/html"}
_POLL: Final = re.compile(r'hx-get="([^"]*part=builds[^"]*)"')


def measure(stage: Stage) -> Figures:
    """Ask for the same with each length of history."""
    found: Figures = {}
    for builds in SIZES[stage.size]:
        _start(stage, builds)
        asked = _ask_all(stage, builds)
        asked["memory"] = {"mb": figure([Cost(stage.server).memory_mb])}
        asked["one"] = _build(stage, builds)  # last, since the lists change with it
        for name, figures in asked.items():
            found |= {f"of_{builds}_{name}_{unit}": each for unit, each in figures.items()}
        stage.server.stop()
        stage.close()
    return found


def _start(stage: Stage, builds: int) -> None:
    urls = {name: f"https://git.example.org/{name}.git" for name in REPOSITORIES}
    urls[REAL] = str(stage.repository.path)
    server = stage.site.one_server(f"server-{builds}", {"repositories": json.dumps(urls)})
    server.data.mkdir(parents=True)
    fill(server.data, builds)
    stage.start_server(server)


def _ask_all(stage: Stage, builds: int) -> dict[str, Figures]:
    far = max(PAGE + 1, builds // 2)
    anew = {
        "list_anew": "/?nth={nth}",
        "filtered_anew": "/?repository=web&status=failure&nth={nth}",
        "far_back_anew": f"/?before={far}&nth={{nth}}",
        "build_anew": f"/build/{far}?nth={{nth}}",
    }
    kept = {
        "list": "/",
        "build": f"/build/{far}",
        "api": "/api/builds",
        "api_far_back": f"/api/builds?before={far}",
    }
    found = {name: _ask(stage, path, BROWSER) for name, path in (anew | kept).items()}
    match = _POLL.search(stage.ask("/", headers=BROWSER).decode())
    assert match is not None, "the list asks for no news"
    return found | {"poll": _ask(stage, unescape(match[1]), HTMX)}


def _ask(stage: Stage, path: str, headers: dict[str, str]) -> Figures:
    """Ask again and again; where `path` has a place for a number, it is another one each time."""
    count = stage.pick(2, 20, 60)
    times: list[float] = []
    costs: list[float] = []
    paths = _numbered(path)
    for _ in range(WARMING):
        stage.ask(next(paths), headers=headers)
    server = Cost(stage.server)
    for _ in range(ROUNDS):
        server.restart()
        for _ in range(count):
            began = time.perf_counter()
            stage.ask(next(paths), headers=headers)
            times.append((time.perf_counter() - began) * 1000)
        costs.append(server.own_ms / count)
    return {"ms": figure(times), "cpu_ms": figure(costs)}


def _build(stage: Stage, history: int) -> Figures:
    """Let some trivial builds follow that history."""
    agent = stage.site.agent(stage.server, f"agent-of-{history}")
    agent.start()
    stage.server.wait_agents(1)
    stage.wait_end(stage.submit("true", repository=REAL))  # makes the mirror
    server, count = Cost(stage.server), stage.pick(1, 4, 12)
    times: list[float] = []
    costs: list[float] = []
    for _ in range(ROUNDS):
        server.restart()
        for _ in range(count):
            build = stage.wait_end(stage.submit("true", repository=REAL), LOOK_S)
            times.append(milliseconds(build))
        costs.append(server.own_ms / count)
    agent.stop()
    return {"end_ms": figure(times), "server_cpu_ms": figure(costs)}


def _numbered(path: str) -> Iterator[str]:
    nth = 0
    while True:
        nth += 1
        yield path.replace("{nth}", str(nth))
