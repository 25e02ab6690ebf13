"""Rules on real machines: what runs without a shell, and what never runs at all."""

from __future__ import annotations

import json
from typing import Final

from tests.real.harness import Program, Server, Site
from tests.real.repository import Repository

# Each is one program in the system's folders.
PLAIN: Final = json.dumps(["ls *", "printf *", "./own *", "nothing-of-that-name"])


def _start(
    site: Site, repository: Repository, server_rules: str, agent_rules: str
) -> tuple[Server, Program]:
    server = site.server(repository.path, commands=server_rules)
    server.start()
    agent = site.agent(server, commands=agent_rules)
    agent.environment["PATH"] = f".:{agent.environment['PATH']}:"
    agent.start()
    server.wait_agents(1)
    return server, agent


def test_a_command_runs_without_a_shell(site: Site, repository: Repository) -> None:
    """Its words come letter by letter; no program of the workspace takes the place of another."""
    script = '#!/bin/sh\necho mine "$@"\n'
    repository.commit({"ls": script, "own": script})
    server, _ = _start(site, repository, PLAIN, "any")

    def printed(command: str) -> bytes:
        number = server.submit(command)
        assert server.wait_build(number)["status"] == "success"
        return server.log_of(number)

    assert printed("ls -1") == b"README.md\nls\nown\n"
    assert printed("./own '$HOME' \"a  b\" c\\;d '*'") == b"mine $HOME a  b c;d *\n"
    assert printed("printf '%s|' '' '`id`'") == b"|`id`|"
    missing = server.wait_build(server.submit("nothing-of-that-name"))
    assert (missing["status"], missing["exit_code"]) == ("failure", 127)


def test_what_either_side_refuses_never_runs(site: Site, repository: Repository) -> None:
    """The server needs no agent for it; the agent holds it against a server that allows all."""
    server, agent = _start(site, repository, "any", PLAIN)
    number = server.submit("touch /tmp/never; ls")
    build = server.wait_build(number)
    assert (build["status"], build["reason"]) == ("error", "command_refused")
    assert "The agent's rules" in build["message"]
    assert "; (another command)" in build["message"]
    assert len(build["attempts"]) == 1
    assert not list(agent.data.glob("mirrors/*")), "nothing was even fetched"
    assert server.wait_build(server.submit("ls"))["status"] == "success"

    server.stop()
    server.flags["commands"] = "make *"
    server.start()
    answer = server.post("/api/builds", {"commit": "main", "command": "ls"})
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["attempts"]) == ("error", [])
    assert "The server's rules" in answer.json()["message"]
    number = answer.json()["number"]
    for path in (f"/build/{number}", f"/build/{number}.txt", f"/api/builds/{number}/why", "/",
                 f"/build/{number}/log", f"/build/{number}/find?q=x", "/feed.atom"):  # fmt: skip
        assert server.get(path).status_code < 500, path
    again = server.post("/api/builds/2/rerun").json()
    assert again["reason"] == "command_refused", "it was allowed the first time"


def test_both_say_at_their_start_which_rules_are_in_force(
    site: Site, repository: Repository
) -> None:
    """And why just these."""
    server = site.server(repository.path, host_names="ci.example.org")
    server.start()
    assert "build-tools" in _rules_line(server)
    assert "hostNames is set, and the sandboxes of agents do not count" in _rules_line(server)
    agent = site.agent(server, repositories="/srv/*")
    agent.start()
    server.wait_agents(1)
    assert "only this machine comes here" in _rules_line(agent)
    build = server.wait_build(server.submit("make"))
    assert build["reason"] == "repository_refused"
    rules = server.get("/api/policy", command="make").json()["rules"]
    assert [one["allowed"] for one in rules] == [True, False]


def _rules_line(program: Program) -> str:
    (line,) = [each for each in program.words.splitlines() if "rules in force" in each]
    return line
