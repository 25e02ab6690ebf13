"""How long server and agent take to start, and what they need right after it.

Each is started again and again on a data folder with some builds: the server until its list is
answered, the agent until it answers how it is.
"""

from __future__ import annotations

import http.client
import time
from http import HTTPStatus
from typing import Final

from bench.cost import Cost
from bench.figures import Figures, figure
from bench.stage import Stage
from tests.real.harness import Program

LOOK_S: Final = 0.002  # between two looks whether it is there
BUILDS: Final = 3


def measure(stage: Stage) -> Figures:
    """Make some history, then start both many times."""
    stage.start()
    for _ in range(BUILDS):
        stage.wait_end(stage.submit("true"))
    agent, starts = stage.agents[0], stage.pick(2, 10, 30)
    agent.stop()
    stage.server.stop()
    found = _figures("server", [_start(stage.server, "/") for _ in range(starts)])
    stage.server.start()
    return found | _figures("agent", [_start(agent, "/status") for _ in range(starts)])


def _figures(what: str, starts: list[tuple[float, float, float]]) -> Figures:
    took, processor, memory = zip(*starts, strict=True)
    return {
        f"{what}_ms": figure(took),
        f"{what}_cpu_ms": figure(processor),
        f"{what}_mb": figure(memory),
    }


def _start(program: Program, path: str) -> tuple[float, float, float]:
    """Start it, stop it; return milliseconds, the processor's milliseconds, and megabytes."""
    began = time.perf_counter()
    program.start(wait=False)
    while not _answers(program, path):
        assert program.running, program.words[-2000:]
        time.sleep(LOOK_S)
    took = (time.perf_counter() - began) * 1000
    cost = Cost(program)
    found = took, cost.whole_ms, cost.memory_mb
    program.stop()
    return found


def _answers(program: Program, path: str) -> bool:
    """Whether it listens, and answers what is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", program.port)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()
    assert answer.status == HTTPStatus.OK, answer.status
    return True
