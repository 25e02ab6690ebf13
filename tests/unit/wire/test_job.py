"""`POST /build` in every spelling that is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errors import Rejected
from ci.model import MIN_LOG_LIMIT, Attempt, Build, Lease, Status, commit_problem
from ci.origin import Origin
from ci.wire.job import MAX_COMMAND_BYTES, Job, read_job, with_prefix, write_job

NOW = datetime(2024, 5, 6, tzinfo=UTC)
URL = "https://git.example.org/team/tool.git"

PLAIN: dict[str, Any] = {"id": "7.1.1", "repository": URL, "commit": "main", "command": "make"}


def _lease(url: str = URL, commit: str = "main", command: str = "make test") -> Lease:
    return Lease(
        attempt=Attempt("7.1.2", 7, 1, 2, "agent", Status.RUNNING, NOW),
        build=Build(7, "tool", url, commit, command, 0, Status.RUNNING, NOW),
    )


def test_an_agent_of_others_gets_what_the_storage_says_of_a_build() -> None:
    """In the storage's own fields; the id is ours, since the result comes by it."""
    origin = Origin("a-b-c", "conf", 17, "Fix it", "topic", "Ada")
    lease = replace(_lease(), origin=origin)
    body = write_job(lease, 60, 30, MIN_LOG_LIMIT, "", native=False)
    for said in (body, body["build"]):
        assert (said["configurationId"], said["buildNumber"]) == ("conf", 17)
        assert (said["commitMessage"], said["branchName"]) == ("Fix it", "topic")
        assert (said["authorName"], said["buildId"]) == ("Ada", "7.1.2")
        assert said["mainBranch"] == "topic", "some clone that, and nobody an empty name"
    assert "configurationId" not in write_job(lease, 60, 30, MIN_LOG_LIMIT, "", native=True)


def test_variables_that_are_no_texts_are_as_json_writes_them() -> None:
    """And null is none."""
    env = {"A": 1, "B": True, "C": "c", "D": None, "E": 1.5}
    assert _read(env=env).env == {"A": "1", "B": "true", "C": "c", "E": "1.5"}


def _read(**changes: object) -> Job:
    return read_job(json.dumps({**PLAIN, **changes}).encode())


@pytest.mark.parametrize("id", ["id", "buildId"])
@pytest.mark.parametrize("commit", ["commit", "commitHash", "hash"])
@pytest.mark.parametrize("command", ["command", "buildCommand", "cmd"])
@pytest.mark.parametrize(
    "repository", ["repository", "repoUrl", "repo", "repoAddress", "url", "uri", "repoName"]
)
@pytest.mark.parametrize("nested", [False, True])
def test_every_known_spelling_is_read(
    id: str, commit: str, command: str, repository: str, *, nested: bool
) -> None:
    """At the top, or everything under `build`."""
    body: dict[str, Any] = {id: "b-1", commit: "abc1234", command: "make test", repository: URL}
    job = read_job(json.dumps({"build": body} if nested else body).encode())
    assert (job.id, job.commit, job.command, job.repository) == (
        "b-1",
        "abc1234",
        "make test",
        URL,
    )


def test_an_id_may_be_a_number() -> None:
    """It is in some programs; to us it is opaque text."""
    assert _read(id=12345).id == "12345"


def test_unknown_keys_are_ignored() -> None:
    """So that both ends can be upgraded apart."""
    assert _read(priority=3, colour={"a": 1}) == _read()


@given(
    st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9/_.-]{0,40}", fullmatch=True).filter(
        lambda commit: commit_problem(commit) is None
    ),
    st.text(
        st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=200
    ).filter(str.strip),
    st.booleans(),
)
def test_a_job_that_was_written_is_read_unchanged(commit: str, command: str, native: bool) -> None:
    """Command and commit arrive as they were asked for, to the letter."""
    lease = _lease(commit=commit, command=command)
    body = write_job(lease, 60, 5, 1 << 20, "life", native=native)
    job = read_job(json.dumps(body).encode())
    assert job == Job(
        id="7.1.2",
        repository=URL,
        commit=commit,
        command=command,
        number="7",
        timeout_s=60,
        silence_s=5,
        log_limit=1 << 20,
        boot_id="life",
        lease_mark=lease.attempt.lease_mark,
        protocol=job.protocol,
    )
    assert job.protocol > 0


@pytest.mark.parametrize(
    "spelling",
    [
        *("id", "buildId", "commitHash", "hash", "commit", "buildCommand", "command", "cmd"),
        *("repoUrl", "repository", "repo", "repoAddress", "url", "repoName", "uri"),
        *("mainBranch", "branchName", "buildNumber", "status"),
    ],
)
def test_agents_of_others_find_their_spelling(spelling: str) -> None:
    """Once at the top and once more under `build`."""
    body = write_job(_lease(), 60, 5, 1 << 20, "life", native=False)
    assert spelling in body
    assert body["build"][spelling] == body[spelling]


@pytest.mark.parametrize(
    ("said", "repository"),
    [
        ({"repoName": "team/tool"}, "https://h/team/tool"),
        ({"repoName": "team/tool", "url": "https://other/x.git"}, "https://other/x.git"),
        ({"repository": "/srv/git/tool"}, "/srv/git/tool"),
        ({"repository": "git@h:team/tool"}, "git@h:team/tool"),
        ({"repository": "team/tool", "protocol": 1}, "team/tool"),
    ],
)
def test_a_bare_name_gets_the_prefix(said: dict[str, object], repository: str) -> None:
    """Where a server of others says no more than owner/name, and a prefix is set."""
    job = {"id": "1", "commit": "main", "command": "make"} | said
    read = read_job(json.dumps(job).encode())
    assert with_prefix(read, "https://h/").repository == repository
    assert with_prefix(read, None) == read


@pytest.mark.parametrize(
    ("url", "name", "uri"),
    [
        (URL, "team/tool", "https://git.example.org/team/tool"),
        ("git@git.example.org:team/tool.git", "team/tool", "git@git.example.org:team/tool"),
        ("https://git.example.org/team/tool", "team/tool", "https://git.example.org/team/tool"),
        ("tool", "tool", "tool"),
    ],
)
def test_a_repository_has_its_short_name_where_it_has_one(url: str, name: str, uri: str) -> None:
    """`repoName` is "owner/name", else the URL; `uri` goes without `.git`."""
    body = write_job(_lease(url), 60, 5, 1 << 20, "life", native=False)
    assert (body["repoName"], body["uri"], body["repoUrl"]) == (name, uri, url)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": True}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": "a\x00"}, "id"),
        ({"commit": ""}, "commit"),
        ({"commit": 5}, "commit"),
        ({"commit": "--upload-pack=x"}, "commit"),
        ({"commit": "a b"}, "commit"),
        ({"commit": "a\x00"}, "commit"),
        ({"commit": "x" * 10_000}, "commit"),
        ({"command": ""}, "command"),
        ({"command": ["make"]}, "command"),
        ({"command": "a\x00b"}, "command"),
        ({"command": "x" * (MAX_COMMAND_BYTES + 1)}, "command"),
        ({"repository": None}, "repository"),
        ({"repository": "a\x00"}, "repository"),
        ({"env": {"": "x"}}, "env"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"A": "x\x00"}}, "env"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"silence_s": -1}, "silence_s"),
        ({"silence_s": "soon"}, "silence_s"),
        ({"log_limit": 65535}, "log_limit"),
        ({"log_limit": True}, "log_limit"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, object], field: str) -> None:
    """Nothing is started for a job that can't be right."""
    with pytest.raises(Rejected) as error:
        _read(**changes)
    assert error.value.field == field
    assert error.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize("field", PLAIN)
def test_a_missing_field_is_named(field: str) -> None:
    """With our own spelling."""
    with pytest.raises(Rejected, match=f"^{field}: is missing$"):
        read_job(json.dumps({k: v for k, v in PLAIN.items() if k != field}).encode())
