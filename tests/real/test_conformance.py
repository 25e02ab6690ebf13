"""All of the contract holds for our server and our agent, as the kit sees them from outside."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import TOP, Site, wait_until
from tests.real.repository import Repository

TOLD_AGAIN = {"server away", "server out of order", "server never answers", "server takes little"}
PATIENCE_S = 15  # half of the usual; only what is waited for on purpose takes a time


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _run(site: Site, *arguments: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "ci.conformance", *arguments, "--json"],
        cwd=site.folder,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    probes = json.loads(done.stdout)["probes"]
    found = {each["name"]: each for each in probes if each["verdict"] != "holds"}
    wrong = [name for name, each in found.items() if each["verdict"] == "does_not"]
    assert done.returncode == bool(wrong), found
    assert len(probes) > 15
    return found


def test_all_holds_for_our_server(site: Site, repository: Repository) -> None:
    """Nothing is left out."""
    server = site.server(repository.path, heartbeat_seconds=1, grace_seconds=2)
    server.start()
    assert _run(site, "server", server.url, f"--patience={PATIENCE_S}") == {}


def test_all_holds_for_our_agent(site: Site) -> None:
    """Nor here: the kit starts it, kills it, and starts it again."""
    port = _free_port()
    words = [sys.executable, "-m", "ci.agent", f"--port={port}", f"--data-dir={site.folder}/a"]
    start = f"{shlex.join(words)} --server-port=$KIT_PORT"
    url = f"http://127.0.0.1:{port}"
    found = _run(site, "agent", url, "--port=0", f"--patience={PATIENCE_S}", f"--start={start}")
    assert found == {}


@pytest.mark.parametrize(
    ("flaw", "found"),
    [
        ("refuses-400", set()),
        ("answers-late,takes-all", set()),
        ("answers-late,tells-once", TOLD_AGAIN),
        ("one-folder", {"second job while busy"}),
        ("answers-late,one-folder", {"second job while busy"}),
        ("trusts-silence", {"server never answers"}),
        ("all-green", {"red build", "unknown commit", "2 MB of output"}),
    ],
)
def test_a_flaw_of_an_agent_is_found_and_nothing_else(
    site: Site, flaw: str, found: set[str]
) -> None:
    """It fails the probes that look for it; of what it need not know nothing is told."""
    port = _free_port()
    start = f"{sys.executable} {TOP}/tests/foreign/little_builder.py {port} $KIT_PORT {flaw}"
    url = f"http://127.0.0.1:{port}"
    seen = _run(site, "agent", url, "--port=0", "--patience=6", f"--start={start}")
    broken = {name: each for name, each in seen.items() if each["verdict"] == "does_not"}
    assert set(broken) == found, broken
    assert set(seen) - set(broken) == {"cancel"}


def test_a_command_that_ends_at_once_is_told(site: Site) -> None:
    """Nobody waits for its registration."""
    done = _start_kit(site, "agent", "http://127.0.0.1:1", "--port=0", "--start=sh -c 'exit 7'")
    _, errors = done.communicate()
    assert done.returncode == 2
    assert "--start: its command ended with 7 before it had registered" in errors


def test_what_is_ended_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    """Neither its repository nor the agent that it has started."""
    start = f"--start=sh -c 'touch {tmp_path}/begun; exec sleep 600'"
    kit = _start_kit(site, "agent", "http://127.0.0.1:1", "--port=0", start, TMPDIR=str(tmp_path))
    wait_until((tmp_path / "begun").exists, "it has started the agent")
    kit.terminate()
    assert kit.communicate()[1] == "conformance: ended by SIGTERM\n"
    assert kit.returncode == 2
    assert not list(tmp_path.glob("conformance-*"))


def test_what_can_not_be_written_is_told(site: Site, repository: Repository) -> None:
    """It is no mistake of the kit."""
    server = site.server(repository.path)
    server.start()
    with Path("/dev/full").open("w") as full:
        kit = _start_kit(site, "server", server.url, "--only=register", stdout=full)
        assert kit.communicate()[1].startswith("conformance: the system says no: [Errno 28] No sp")
    assert kit.returncode == 2


def _start_kit(
    site: Site, *arguments: str, stdout: Any = subprocess.PIPE, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ci.conformance", *arguments],
        cwd=site.folder,
        env=site.environment | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_no_server_is_said_in_one_line(site: Site) -> None:
    """With the exit code of a kit that could not run."""
    done = subprocess.run(
        [sys.executable, "-m", "ci.conformance", "server", f"http://127.0.0.1:{_free_port()}"],
        cwd=site.folder,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("conformance: can't connect to ")
    assert done.stderr.count("\n") == 1
