"""Safe by default: what a server lets anybody do, and when it does not start at all."""

from __future__ import annotations

import structlog

from ci.config import ServerConfig
from ci.errors import ConfigError
from ci.people import Role
from ci.server.people.people import People
from ci.server.people.readers import Openness

log = structlog.get_logger()


def openness_of(config: ServerConfig) -> Openness:
    """Say what somebody without an account may do."""
    is_open = config.insecure or not config.is_reachable
    may_look = config.anonymous_view
    if may_look is None:
        may_look = not config.is_reachable
    return Openness(Role.ADMIN if is_open else None, Role.VIEWER if may_look else None)


def check_safe(config: ServerConfig, people: People) -> None:
    """Return if this server may be reached as it is set. Raises ConfigError with what to do."""
    missing = [
        what
        for what, there in (
            ("no agentToken", config.agent_token is not None),
            ("no administrator", bool(people.accounts)),
        )
        if not there
    ]
    if not config.is_reachable or not missing:
        return
    if not config.insecure:
        where = f"host = {config.host!r}" if not config.trusted_proxies else "trustedProxies"
        raise ConfigError(
            f"{where}: others than this machine can reach this server, and it has "
            f"{' and '.join(missing)}; python -m ci.server init makes both; "
            "--insecure starts it as it is: then everybody can run commands on its agents"
        )
    log.warning(
        "insecure",
        missing=", ".join(missing),
        meaning="everybody who reaches this server can run commands on its agents",
        next="python -m ci.server init",
    )
