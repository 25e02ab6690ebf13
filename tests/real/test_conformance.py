"""All of the contract holds for our server and our agent, as the kit sees them from outside."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.real.harness import TOP, Site
from tests.real.repository import Repository

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
        ("none", set()),
        ("tells-once", {"server away", "server out of order", "server takes little"}),
        ("one-folder", {"second job while busy"}),
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
