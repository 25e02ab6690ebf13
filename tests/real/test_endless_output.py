"""Commands that print without end: head and tail are kept, the rest costs nobody anything."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from tests.real.harness import Program, Server, Site, held, wait_until
from tests.real.repository import Repository

LIMIT = 1 << 20
MARK = re.compile(
    rb"\[nursery-ci: the output limit of 1 MiB is reached: what follows is left out, "
    rb"except its last 256 KiB, which come at the end\]\n"
    rb"\[([0-9,]+) bytes are left out here\]\n"
)
BLOCK = 512  # bytes, as `st_blocks` counts
# What is on the agent's disk beside the limit: what came since it was last looked at, on a machine
# that does other things as well.
SLACK = 64 << 20
MEMORY = 64 << 20  # more than an idle program has; of the output it is a tenth


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server that keeps little of a log, and an agent with two slots."""
    server = site.server(repository.path, max_log_bytes=LIMIT)
    server.start()
    site.agent(server, slots=2).start()
    server.wait_agents(1)
    return server


def agent_of(server: Server) -> Program:
    """The one agent."""
    return server.site.programs[1]


def spooled(server: Server, number: int) -> Path:
    """The file that a build's command writes to."""
    return agent_of(server).data / "spool" / f"{number}.1.1" / "log"


def check_cut(log: bytes, printed: bytes) -> None:
    """See that a log is the beginning and the end of what was printed, and says what is missing."""
    assert len(log) < LIMIT + 1024
    found = MARK.search(log)
    assert found is not None, log[-200:]
    head, tail = log[: found.start()], log[found.end() :]
    if not printed.startswith(head):
        head = head.removesuffix(b"\n")  # the mark begins a line, whatever is before it
    # Not `==`, whose differences pytest would look for in a megabyte for minutes.
    assert printed.startswith(head)
    assert printed.endswith(tail), log[-200:]
    assert len(head) + int(found[1].replace(b",", b"")) + len(tail) == len(printed)
    assert len(head) + len(tail) > LIMIT * 7 // 8


def lines(first: int, last: int) -> bytes:
    """What `seq` prints."""
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


def test_an_agent_killed_in_the_midst_of_a_flood(server: Server, tmp_path: Path) -> None:
    """The log is what it would have been without: head, mark and tail, to the byte."""
    on, end = tmp_path / "on", tmp_path / "end"
    parts = ("seq 1 3000000", held(on), "seq 3000001 6000000", held(end), "echo end")
    number = server.submit("; ".join(parts))
    agent = agent_of(server)
    server.wait_log(number, b"is reached")
    path = spooled(server, number)
    half, most = len(lines(1, 3_000_000)), len(lines(1, 6_000_000))
    wait_until(lambda: path.stat().st_size == half, "half is printed")
    agent.kill()
    on.touch()
    agent.start()
    wait_until(lambda: path.stat().st_size == most, "all but the end is printed")
    wait_until(
        lambda: path.stat().st_blocks * BLOCK,
        "the middle is free again",
        until=lambda taken: taken <= 3 * LIMIT,
    )
    end.touch()
    build = server.wait_build(number)
    assert build["status"] == "success"
    log = server.log_of(number)
    assert build["log_size"] == len(log)
    check_cut(log, lines(1, 6_000_000) + b"end\n")


def test_nobody_notices_a_command_that_prints_for_ever(server: Server) -> None:
    """Other builds run, pages answer, memory and disk stay; a cancel ends it."""
    programs = [server, agent_of(server)]
    assert server.wait_build(server.submit("true"))["status"] == "success"
    before = [memory(program) for program in programs]
    number = server.submit("yes 'all work and no play makes a dull log'")
    server.wait_log(number, b"is reached")
    wait_until(lambda: spooled(server, number).stat().st_size > 10 * SLACK, "much is printed")
    for other in range(3):
        there = server.submit(f"echo {other}")
        assert server.wait_build(there)["status"] == "success"
        assert server.log_of(there) == b"%d\n" % other
    assert server.get(f"/build/{number}").status_code == 200
    assert server.build(number)["status"] == "running"
    # It is over the slack at moments, when the machine writes faster than the agent looks; what is
    # not freed at all never comes under it again.
    wait_until(
        lambda: spooled(server, number).stat().st_blocks * BLOCK,
        "its middle is freed while it grows",
        until=lambda taken: taken < SLACK,
    )
    grown = [memory(program) - was for program, was in zip(programs, before, strict=True)]
    assert max(grown) < MEMORY
    server.post(f"/api/builds/{number}/cancel")
    wait_until(lambda: not spooled(server, number).exists(), "its output is gone")
    assert not [each for each in server.site.survivors() if each.name() == "yes"]
    assert server.build(number)["status"] == "canceled"


def test_silence_after_a_flood_is_noticed(server: Server) -> None:
    """What it had printed at last is in the log."""
    server.stop()
    server.flags["silence-timeout-seconds"] = 4
    server.start()
    server.wait_agents(1)
    # exec: a shell that outlives its child for a moment would print "Terminated" into the log.
    number = server.submit("seq 1 1000000; exec sleep 100")
    build = server.wait_build(number)
    assert (build["status"], build["reason"]) == ("error", "silence")
    check_cut(server.log_of(number), lines(1, 1_000_000))


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("head -c 9000000 /dev/zero | tr '\\0' x; echo; echo end", b"x" * 9_000_000 + b"\nend\n"),
        ("head -c 9000000 /dev/zero; echo end", bytes(9_000_000) + b"end\n"),
        (
            "yes \"$(printf '\\377\\033[31m\\033]0;x\\303')\" | head -n 999999",
            b"\xff\x1b[31m\x1b]0;x\xc3\n" * 999_999,
        ),
        (
            "seq -f 'step %.0f of many' 1 400000 | tr '\\n' '\\r'; echo done",
            b"".join(b"step %d of many\r" % n for n in range(1, 400_001)) + b"done\n",
        ),
    ],
    ids=["one line", "NULs", "no text", "progress"],
)
def test_whatever_is_printed(server: Server, command: str, printed: bytes) -> None:
    """The bytes are kept as they are, and each view of them is shown."""
    number = server.submit(command)
    assert server.wait_build(number)["status"] == "success"
    log = server.log_of(number)
    check_cut(log, printed)
    half = len(log) // 2
    for place in ({}, {"from": 0}, {"from": half}, {"to": half}):
        page = server.get(f"/build/{number}", **place)
        assert page.status_code == 200
        assert len(page.content) < LIMIT * 2
    behind = log.index(b"left out here]") + 100
    assert "bytes are left out here]" in server.get(f"/build/{number}", to=behind).text
    ranged = server.site.http.get(
        f"{server.url}/api/builds/{number}/log", headers={"Range": "bytes=-4"}
    )
    assert (ranged.status_code, ranged.content) == (206, log[-4:])


def memory(program: Program) -> int:
    """Bytes of memory that a program has."""
    assert program.process is not None
    return int(psutil.Process(program.process.pid).memory_info().rss)
