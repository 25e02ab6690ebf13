"""Examples of what the API takes and answers, for its document. Made as the answers are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ci.answers.agents import Agent, Agents, Held
from ci.answers.builds import Attempt, Build, Builds
from ci.answers.news import Line, NewLine, News, WhyRed
from ci.answers.secrets import Secret, Secrets
from ci.answers.server import Error, Health, Judgement, Problem, Rules
from ci.answers.writing import to_json
from ci.model import AgentState, Reason, Standing, Status

_BEGIN: Final = datetime(2026, 11, 21, 22, 20, 49, 906_000, UTC)
_END: Final = _BEGIN + timedelta(seconds=2.4)
_HASH: Final = "bb0cc63eee1af7e4ff83ee77c627027c727fd52c"

_ATTEMPT: Final = Attempt(
    id="2.1.1",
    agent="first",
    status=Status.FAILURE,
    reason=Reason.EXITED,
    message=None,
    started_at=_BEGIN,
    finished_at=_END,
    duration_s=2.4,
    checkout_s=0.03,
    exit_code=1,
    signal=None,
    log_size=1097,
    log_cut=None,
    log_open=False,
    secrets="It had NPM_TOKEN. It did not have DEPLOY_KEY: the commit is not on main.",
)
_BUILD: Final = Build(
    number=2,
    repository="demo",
    commit="broken",
    commit_hash=_HASH,
    subject="Keep to whole numbers: no more floats where money is",
    author="Demo",
    branch="broken",
    command="./test.sh",
    priority=0,
    labels=(),
    asked_by="ann (token laptop)",
    status=Status.FAILURE,
    reason=Reason.EXITED,
    message=None,
    created_at=_BEGIN,
    started_at=_BEGIN,
    finished_at=_END,
    duration_s=2.4,
    agent="first",
    exit_code=1,
    log_size=1097,
    attempts=(_ATTEMPT,),
    queue_position=None,
    waiting_for=None,
    starts_in_s=None,
    phase=None,
    external=None,
)
_AGENT: Final = Agent(
    name="first",
    state=AgentState.ONLINE,
    takes_work=True,
    host="127.0.0.1",
    port=8081,
    tls=False,
    standing=Standing.OPEN,
    slots=2,
    labels=("linux",),
    version="0.1.0",
    first_seen=_BEGIN,
    last_heard=_END,
    running=(Held("3.1.1", 3),),
    ended_24h=2,
    use_24h=(0.0, 0.412),
    load=1.04,
    disk_free=83_854_901_248,
    problem=None,
    pause_note=None,
    refused=None,
    commands=("any",),
    repositories=None,
    sandbox="bubblewrap, network on",
)
_SECRET: Final = Secret(
    repository="https://git.example.org/team/demo.git",
    name="DEPLOY_KEY",
    branches=("main", "release/*"),
    commands=("make deploy",),
    set_at=_BEGIN,
    set_by="ann",
    last_used=None,
    lost=False,
)
_NEWS: Final = News(
    lines=36,
    green_lines=31,
    new=1,
    errors=1,
    last_line=20,
    little_in_common=False,
    runs=((NewLine(20, "FAIL: test_rounding", new=True, error=True, usual=False, alike=0),),),
    hidden=0,
    missing=1,
    missing_lines=(Line(15, "✓ a discount rounds to the nearest cent"),),
    only_numbers_found=0,
    only_numbers=(),
    left_out=0,
    green_left_out=0,
    too_many_kinds=False,
)
_COUNTS: Final = dict.fromkeys(Status, 0) | {Status.SUCCESS: 1, Status.FAILURE: 1}
_SERVERS_RULES: Final = Judgement(
    agent=None,
    commands=("make *",),
    repositories=None,
    why="the setting commands says so",
    allowed=True,
    problem=None,
    words=("make", "all"),
)
_BAD_COMMIT: Final = "commit: can't begin with '-', '/' or '.', nor end with '/' or '.', nor be '@'"

# By the name of the type.
_EXAMPLES: Final[dict[str, Any]] = {
    "NewBuild": {"commit": "main", "command": "make test"},
    "NamedAgent": {"name": "first"},
    "Pause": {"name": "first", "note": "its disk is being changed"},
    "Build": _BUILD,
    "Builds": Builds((_BUILD,), next=2, newer=None, looked_to=None, counts=_COUNTS),
    "Agents": Agents((_AGENT,)),
    "WhyRed": WhyRed(number=2, problem=None, green=1, same_branch=False, news=_NEWS),
    "Rules": Rules((_SERVERS_RULES,)),
    "NewSecret": {"name": "DEPLOY_KEY", "value": "correct horse", "branches": ["main"]},
    "NamedSecret": {"repository": "demo", "name": "DEPLOY_KEY"},
    "Trust": {"agent": "first", "trusted": True},
    "Secrets": Secrets((_SECRET,), ("first",), ("DEPLOY_*",)),
    "Error": Error(Problem("commit", _BAD_COMMIT)),
    "Health": Health(
        ok=True,
        problems=(),
        agents_online=1,
        agents_lost=0,
        builds_waiting=0,
        max_builds_waiting=20_000,
        builds_running=2,
        oldest_waiting_s=0.0,
        store_write_s=0.0021,
        version="0.1.0",
    ),
}


def of(name: str) -> dict[str, dict[str, Any]]:
    """Return the examples of a type, as OpenAPI has them."""
    return {"usual": {"value": json.loads(to_json(_EXAMPLES[name]))}}
