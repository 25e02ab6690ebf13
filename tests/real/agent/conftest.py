"""One agent and a server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.real.agent.scene import Server
from tests.real.harness import Program, Site
from tests.real.sandboxes import can_hold_in
from tests.real.small_disk import can_mount

# Not skipped: where no disk can be mounted, the unit tests have the same promises.
collect_ignore = [] if can_mount() else ["test_full_disk.py", "test_mounts.py"]
# Nor where nobody may make a sandbox, as in many a container: there is nothing to break out of.
if not can_hold_in():
    collect_ignore += ["test_break_out.py", "test_limits.py", "test_sandbox.py"]
    collect_ignore += ["test_sandboxed_runner.py"]


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve while the test runs."""
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def agent(site: Site, server: Server, tmp_path: Path) -> Program:
    """Make an agent of `server`, not yet started."""
    flags: dict[str, object] = {
        "server-port": server.server_address[1],
        "data-dir": tmp_path / "agent",
        "slots": 2,
        "kill-grace-seconds": 1,
    }
    program = Program("ci.agent", flags, site, "agent")
    site.programs.append(program)
    return program
