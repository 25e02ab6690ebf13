"""A secret from a shell to a command, and nowhere else: real programs, killed in between."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.real.harness import Program, Server, Site, wait_until
from tests.real.repository import Repository
from tests.real.sandboxes import can_hold_in
from tests.real.secure import make_secure

VALUE = "s3cr&t/+ %42\nsecond line of it\nthird"
FORMS = [
    *(VALUE.encode(), VALUE.splitlines()[1].encode(), quote_plus(VALUE).encode()),
    *(base64.b64encode(VALUE.encode())[:-4], json.dumps(VALUE)[1:-1].encode()),
]
PRINT = (
    'echo go; sleep 1; echo "$KEY"; printf %s "$KEY" | base64; sleep 1; test -n "$KEY" && echo had'
)
TOKEN = "the-token-of-all-agents"


def run(server: Program, *words: str, said: str = "") -> str:
    """Run a command of the server that is not running."""
    flags = [f"--{name}={value}" for name, value in server.flags.items()]
    done = subprocess.run(
        [sys.executable, "-m", "ci.server", *words, *flags],
        cwd=server.site.folder,
        env=server.environment,
        input=said.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def log_in(server: Server, password: str) -> str:
    """Log in with a browser's forms, and make an API token for the test."""
    http = server.site.http
    page = http.get(f"{server.url}/login").text
    token = re.search(r'name="form_token" value="(\w+)"', page)
    form = {"name": "ann", "password": password, "form_token": token[1] if token else ""}
    assert http.post(f"{server.url}/login", data=form).status_code == 303
    page = http.get(f"{server.url}/account").text
    token = re.search(r'name="form_token" value="(\w+)"', page)
    form = {"name": "test", "scope": "admin", "form_token": token[1] if token else ""}
    made = re.search(r"nci_[\w-]+", http.post(f"{server.url}/account/tokens", data=form).text)
    assert made is not None
    http.cookies.clear()
    return made[0]


def traces(folder: Path) -> list[str]:
    """Name the files below a folder that hold the secret in any form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in FORMS)]


@pytest.mark.parametrize(("killed", "tls"), [("agent", False), ("server", False), ("agent", True)])
def test_it_reaches_the_command_and_nothing_else(
    site: Site, repository: Repository, tmp_path: Path, killed: str, tls: bool
) -> None:
    """Neither data folder has it, nor any log of a program or a build; by TLS as well."""
    repository.commit({"file": "text"})
    own: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    if tls:
        ours, agents = make_secure(tmp_path, "server"), make_secure(tmp_path, "agent")
        own = {"certificate": ours.certificate, "certificate_key": ours.key}
        theirs = {"certificate": agents.certificate, "certificate_key": agents.key}
        theirs["server_certificate"] = ours.certificate
    server = site.server(repository.path, agent_token=TOKEN, **own)
    password = run(server, "init", "--admin", "ann").partition("Password: ")[2].split()[0]
    run(server, "secret", "set", "KEY", "--branches", "main", said=VALUE + "\n")
    server.start()
    site.http.headers["Authorization"] = f"Bearer {log_in(server, password)}"
    held_in = {"sandbox": "bubblewrap"} if can_hold_in() else {"secrets": "always"}
    agent = site.agent(server, agent_token=TOKEN, **held_in, **theirs)
    agent.start()
    wait_until(
        lambda: (
            [(one["standing"], one["tls"]) for one in server.get("/api/agents").json()["agents"]]
            == [("enrolled", tls)]
        ),
        "the agent is enrolled",
    )
    assert server.post("/api/secrets/trust", {"agent": "agent", "trusted": True}).is_success
    number = server.submit(PRINT)
    server.wait_log(number, b"go")
    program = agent if killed == "agent" else server
    program.kill()
    program.start()
    build = server.wait_build(number, "success")
    assert build["attempts"][0]["secrets"] == "It had KEY."
    log = server.log_of(number)
    assert log.endswith(b"had\n")
    assert not any(form in log for form in FORMS)
    wait_until(lambda: not list((agent.data / "spool").iterdir()), "the folder is gone")
    # All of it, with both programs' logs; but for this test's own repository nothing else is there.
    assert traces(site.folder) == []
    other = repository.git("commit-tree", "main^{tree}", "-m", "of a stranger")
    repository.git("update-ref", "refs/pull/1/head", other)
    build = server.wait_build(server.submit("echo had=$KEY", other))
    assert server.log_of(build["number"]) == b"had=\n"
    said = build["attempts"][0]["secrets"]
    assert said == "It did not have KEY: the commit is not on main."
