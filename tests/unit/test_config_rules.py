"""Which rules are in force, by the settings and by who can come there."""

from __future__ import annotations

from typing import Any

import pytest

from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError

Kind = type[ServerConfig] | type[AgentConfig]


@pytest.mark.parametrize(
    ("kind", "settings", "rules", "why"),
    [
        (ServerConfig, {}, ("any",), "only this machine comes here"),
        (ServerConfig, {"host": "::1"}, ("any",), "only this machine comes here"),
        (ServerConfig, {"host": "0.0.0.0"}, ("build-tools",), "other machines reach 0.0.0.0"),
        (ServerConfig, {"hostNames": ["ci.example.org"]}, ("build-tools",), "hostNames is set"),
        (ServerConfig, {"host": "::"}, ("build-tools",), "the sandboxes of agents do not count"),
        (ServerConfig, {"host": "::", "commands": "any"}, ("any",), "the setting commands"),
        (ServerConfig, {"commands": "make *"}, ("make *",), "the setting commands says so"),
        (ServerConfig, {"commands": []}, (), "the setting commands says so"),
        (AgentConfig, {}, ("any",), "only this machine comes here"),
        (AgentConfig, {"host": "10.0.0.7"}, ("build-tools",), "other machines reach 10.0.0.7"),
        (AgentConfig, {"bind": "0.0.0.0"}, ("build-tools",), "there is no sandbox"),
        (AgentConfig, {"host": "10.0.0.7", "bind": "127.0.0.1"}, ("any",), "only this machine"),
    ],
)
def test_the_default_is_safe(
    kind: Kind, settings: dict[str, Any], rules: tuple[str, ...], why: str
) -> None:
    """Where others can come, and nobody has said more, only build tools may run."""
    policy = kind.check(settings).command_policy
    assert policy.rules == rules
    assert why in policy.why


@pytest.mark.parametrize(
    ("kind", "settings", "what"),
    [
        (ServerConfig, {"commands": ["make; id"]}, "; (another command)"),
        (ServerConfig, {"commands": ["* x"]}, "no fixed program"),
        (ServerConfig, {"commands": 5}, "commands = 5"),
        (ServerConfig, {"commands": "[1"}, "commands"),
        (AgentConfig, {"commands": ["make"] * 101}, "at most 100"),
        (AgentConfig, {"repositories": ["team/*"]}, "no URL"),
        (AgentConfig, {"repositories": ["/x"] * 101}, "at most 100"),
    ],
)
def test_what_is_no_rule_is_told_at_the_start(
    kind: Kind, settings: dict[str, Any], what: str
) -> None:
    """With the key and the fix."""
    with pytest.raises(ConfigError, match="correct the value") as error:
        kind.check(settings)
    assert what in str(error.value)
