"""docs/metrics.md lists every metric with its type and labels, and reading them stays cheap."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ci.agent.metrics import Metrics as AgentMetrics
from ci.model import AgentState, Status
from ci.server.metrics import AgentSnapshot, Metrics, Snapshot

DOCS: Final = Path(__file__).parent.parent.parent / "docs" / "metrics.md"
SNAPSHOT: Final = Snapshot(
    builds={Status.WAITING: 3, Status.RUNNING: 1},
    oldest_waiting_s=12.5,
    unfit=2,
    agents={
        "oak": AgentSnapshot(AgentState.ONLINE, slots=4, busy=1, disk_free=10, delivery_retries=2),
        "elm": AgentSnapshot(AgentState.LOST, slots=2, busy=1, disk_free=20, delivery_retries=0),
    },
    disk_free=99,
    disk_short=True,
    storage_untold=4,
    storage_failing_s=7.5,
)


def server_text() -> str:
    """All that a server tells after its first request."""
    metrics = Metrics()
    metrics.requests.labels("GET", "/", "2xx").inc()
    metrics.request_s.labels("/").observe(0.1)
    return metrics.text(SNAPSHOT).decode()


def agent_text() -> str:
    """All that an agent tells."""
    metrics = AgentMetrics()
    return metrics.text(
        states=["running"],
        slots=2,
        busy=1,
        disk_free=5,
        disk_short=False,
        silence_s=float("inf"),
    ).decode()


def _told(text: str) -> set[tuple[str, str, frozenset[str]]]:
    """Name, type and labels of each metric, as the table writes them."""
    found = set()
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = family.name + "_total" * (family.type == "counter")
        if not name.startswith("process_"):
            found.add((name, family.type, frozenset(labels)))
    return found


def _documented(prefix: str) -> set[tuple[str, str, frozenset[str]]]:
    rows = re.findall(
        rf"^\| `({prefix}_\w+)` \| (\w+) \|([^|]*)\|", DOCS.read_text("utf-8"), re.MULTILINE
    )
    return {(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


@pytest.mark.parametrize(
    ("prefix", "text"), [("nursery_ci", server_text()), ("nursery_agent", agent_text())]
)
def test_every_metric_is_documented_and_the_other_way_round(prefix: str, text: str) -> None:
    """With its type and its labels."""
    assert _told(text) == _documented(prefix)


def test_rules_for_alarms_name_metrics_that_exist() -> None:
    """A misspelt one would never ring."""
    known = {name for name, *_ in _told(server_text()) | _told(agent_text())}
    named = set(re.findall(r"\bnursery_(?:ci|agent)_\w+", DOCS.read_text("utf-8")))
    assert named <= known


def test_what_is_known_by_name_begins_at_0() -> None:
    """Or the first event would be no increase."""
    for line in (
        'nursery_ci_builds_ended_total{reason="disk_full",status="error"} 0.0',
        'nursery_ci_builds_ended_total{reason="exited",status="failure"} 0.0',
        'nursery_ci_build_seconds_count{status="canceled"} 0.0',
        'nursery_ci_attempts_given_up_total{reason="agent_restarted"} 0.0',
        'nursery_ci_handover_failures_total{why="no_answer"} 0.0',
    ):
        assert f"\n{line}\n" in server_text()
    assert 'nursery_agent_delivery_retries_total{what="result"} 0.0\n' in agent_text()


def test_what_is_lost_has_no_slots_and_no_news() -> None:
    """What a lost agent last said of its disk is not told as if it were known."""
    text = server_text()
    for line in (
        'nursery_ci_builds{status="waiting"} 3.0',
        'nursery_ci_agents{state="lost"} 1.0',
        "nursery_ci_slots 4.0",
        "nursery_ci_slots_busy 1.0",
        'nursery_ci_agent_disk_free_bytes{agent="oak"} 10.0',
        'nursery_ci_agent_delivery_retries{agent="oak"} 2.0',
        "nursery_ci_queue_oldest_seconds 12.5",
        "process_open_fds",
    ):
        assert f"\n{line}" in text
    assert 'agent="elm"' not in text
    assert "_created" not in text


def test_two_servers_in_one_process_count_for_themselves() -> None:
    """Nothing is global: the second begins at 0."""
    first, second = Metrics(), Metrics()
    first.accepted.inc(5)
    assert b"nursery_ci_builds_accepted_total 5.0" in first.text(SNAPSHOT)
    assert b"nursery_ci_builds_accepted_total 0.0" in second.text(SNAPSHOT)
