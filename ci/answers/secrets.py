"""Secrets, as the API shows them: all but their values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci.answers.writing import Answer


@dataclass(frozen=True, slots=True)
class Secret(Answer):
    """A variable that builds of a repository get. Its value is shown nowhere."""

    repository: str
    """its URL"""
    name: str
    """of the variable"""
    branches: tuple[str, ...]
    """rules: on one of these a commit must be"""
    commands: tuple[str, ...]
    """rules: which commands get it; `any` for all"""
    set_at: datetime
    """by the server's clock"""
    set_by: str | None
    """the account, with the name of its token if one was shown; null without one"""
    last_used: datetime | None
    """when it was last sent to an agent; null if never"""
    lost: bool
    """whether it can't be opened any more, since the key file is another one"""


@dataclass(frozen=True, slots=True)
class Secrets(Answer):
    """All secrets, and who may be sent them."""

    secrets: tuple[Secret, ...]
    """by repository and name"""
    trusted_agents: tuple[str, ...]
    """in order of their names; no other agent is sent any"""
    environment_names: tuple[str, ...] | None
    """rules for names, in which `*` is any letters; null: all but dangerous ones"""
