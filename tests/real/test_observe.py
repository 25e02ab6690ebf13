"""What the real programs tell of themselves: log lines as JSON, and metrics."""

from __future__ import annotations

import json
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from tests.real.harness import Program, Server, Site, wait_until
from tests.real.repository import Repository

SECRET: Final = "never-to-be-told"


def lines(program: Program) -> list[dict[str, Any]]:
    """All that a program has logged; a line that is no JSON object fails."""
    whole, _, _ = program.words.rpartition("\n")  # what follows is being written
    return [json.loads(line) for line in whole.splitlines()]


def events(program: Program) -> list[str]:
    """What happened, in order."""
    return [line["event"] for line in lines(program)]


def metrics(server: Server, url: str, token: str = "") -> dict[str, float]:
    """The metrics of a program that have no label."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = server.site.http.get(f"{url}/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {each.name: each.value for one in families for each in one.samples if not each.labels}


def test_both_programs_log_json_and_keep_their_secrets(site: Site, repository: Repository) -> None:
    """From the first line to the last, libraries included, every line is one JSON object."""
    repositories = json.dumps({"demo": str(repository.path), "x": f"https://u:{SECRET}@x.org/x"})
    server = site.server(
        repository.path, repositories=repositories, agent_token=SECRET, log_format="json"
    )
    server.start()
    agent = site.agent(server, agent_token=SECRET, log_format="json")
    agent.start()
    server.wait_agents(1)
    number = server.submit("echo a secret output")
    assert server.wait_build(number)["status"] == "success"
    wait_until(lambda: "attempt delivered" in events(agent), "it is delivered")

    assert metrics(server, server.url)["nursery_ci_builds_accepted_total"] == 1
    assert metrics(server, server.url)["process_resident_memory_bytes"] > 1e6
    assert metrics(server, agent.url, SECRET)["nursery_agent_checkout_seconds_count"] == 1
    assert site.http.get(f"{agent.url}/metrics").status_code == 401

    assert agent.stop() == 0
    assert server.stop() == 0
    told = events(server)
    assert told[:3] == ["starting", "settings", "open to this machine"]
    assert told[3:6] == ["store opened", "rules in force", "listening"]
    assert told[-2:] == ["stopping", "stopped"]
    assert [event for event in told if "build" in event] == ["build accepted", "build ended"]
    begin = events(agent)[: events(agent).index("listening")]  # a missing sandbox is told, too
    assert (begin[:2], begin[-1]) == (["starting", "settings"], "rules in force")
    for program in (server, agent):
        assert SECRET not in program.words
        assert "secret output" not in program.words
        assert lines(program)[1]["agentToken"] == "(set)"
