"""What the storage may have built, and what it may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci.config import ServerConfig
from ci.errors import ConfigError
from ci.model import Build, Outcome, Reason, Status
from ci.server.admission import Admission
from ci.server.external.body import MAX_INT32, duration_ms, make_finish
from ci.server.external.wanted import is_storage_url, storage_url
from ci.server.logs import Logs
from tests.story.world import START

PREFIX = "https://github.com/"


@pytest.mark.parametrize("name", ["owner/name", "a/b/c.git", "x", "a_b/c-d"])
def test_a_name_is_the_rest_of_an_url(name: str) -> None:
    """And is known again when an agent is to get it."""
    url = storage_url(name, PREFIX)
    assert url == PREFIX + name
    assert is_storage_url(url, PREFIX)


@pytest.mark.parametrize(
    "name", ["", "/etc", "a/../b", "..", "-x/y", "a/-b", "a//b", "a b", "https://x/y", "a?b", "a/"]
)
def test_no_name_leads_elsewhere(name: str) -> None:
    """Neither up, nor to another host, nor to an option of git."""
    assert storage_url(name, PREFIX) is None
    assert not is_storage_url(PREFIX + name, PREFIX)


def test_admission_knows_what_the_storage_may_name() -> None:
    """Only where there is one."""
    settings: dict[str, Any] = {"apiBaseUrl": "https://storage.example.org/api", "commands": "any"}
    assert Admission(ServerConfig.check(settings)).refusal(PREFIX + "a/b", "make") is None
    without = Admission(ServerConfig.check({"commands": "any"})).refusal(PREFIX + "a/b", "make")
    assert isinstance(without, Outcome)
    assert without.reason is Reason.REPOSITORY_REFUSED


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"apiBaseUrl": "http://storage.example.org/"}, "apiInsecure"),
        ({"apiBaseUrl": "storage.example.org"}, "apiBaseUrl"),
        ({"apiBaseUrl": "https://storage.example.org/?x=1"}, "apiBaseUrl"),
        ({"repositoryPrefix": "https://github.com"}, "repositoryPrefix"),
        ({"repositoryPrefix": "ext::sh -c x/"}, "repositoryPrefix"),
        ({"apiToken": "Bearer "}, "apiToken"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    """Said by the key."""
    with pytest.raises(ConfigError, match=words):
        ServerConfig.check(settings)


def test_the_word_bearer_is_no_part_of_a_token() -> None:
    """Configurations of others have it there."""
    assert ServerConfig.check({"apiToken": "bearer abc"}).api_token == "abc"
    assert ServerConfig.check({"apiToken": "abc"}).api_token == "abc"


def test_durations_fit_into_what_the_storage_takes() -> None:
    """Milliseconds in 32 bits."""
    assert [duration_ms(s) for s in (-1, 0.0014, 3, 10**9)] == [0, 1, 3000, MAX_INT32]


async def test_bytes_of_any_kind_are_sent_as_text(tmp_path: Path) -> None:
    """With what ended an error behind them."""
    logs = Logs(tmp_path)
    await logs.append("1.1.1", 0, b"gr\xc3\xbcn \xff \x00")
    build = Build(1, "", "", "main", "make", 0, Status.ERROR, START, message="It took too long.")
    finish = await make_finish(build, "1.1.1", logs, 1024)
    assert finish.log == "grün � �\n[nursery-ci] error: It took too long.\n"
    assert not finish.success


async def test_a_build_whose_agent_was_lost_took_the_time_that_we_saw(tmp_path: Path) -> None:
    """From its begin to its end; one that never began took none."""
    build = Build(1, "", "", "main", "make", 0, Status.ERROR, START)
    logs = Logs(tmp_path)
    assert (await make_finish(build, None, logs, 1024)).duration_ms == 0
    build = replace(build, started_at=START, finished_at=START + timedelta(seconds=90))
    assert (await make_finish(build, None, logs, 1024)).duration_ms == 90_000
