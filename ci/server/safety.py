"""Safe by default: what a server lets anybody do, and when it does not start at all."""

from __future__ import annotations

from typing import Final

import structlog

from ci.config import ServerConfig
from ci.errors import ConfigError
from ci.people import Role
from ci.server.people.openid import Terms
from ci.server.people.people import People
from ci.server.people.readers import Openness

CALLBACK: Final = "/login/openid/back"  # where the provider sends people back to

log = structlog.get_logger()


def openness_of(config: ServerConfig) -> Openness:
    """Say what somebody without an account may do."""
    is_open = (config.insecure or not config.is_reachable) and config.oidc_issuer is None
    may_look = config.anonymous_view
    if may_look is None:
        may_look = not config.is_reachable
    with_accounts = Role.VIEWER if may_look else None
    return Openness(Role.ADMIN if is_open else with_accounts, with_accounts)


def openid_terms(config: ServerConfig) -> Terms | None:
    """Say what the settings say of the OpenID provider; None if there is none."""
    if config.oidc_issuer is None:
        return None
    assert config.oidc_client_id is not None  # the configuration has made sure of these
    assert config.oidc_client_secret is not None
    assert config.public_url is not None
    return Terms(
        issuer=config.oidc_issuer,
        client_id=config.oidc_client_id,
        client_secret=config.oidc_client_secret,
        redirect_uri=config.public_url.rstrip("/") + CALLBACK,
        role_claim=config.oidc_role_claim,
        roles=config.oidc_roles,
    )


def check_safe(config: ServerConfig, people: People) -> None:
    """Return if this server may be reached as it is set. Raises ConfigError with what to do."""
    missing = [
        what
        for what, there in (
            ("no agentToken", config.agent_token is not None),
            ("no administrator", bool(people.accounts) or Role.ADMIN in config.oidc_roles),
        )
        if not there
    ]
    if not missing:
        return
    if not config.is_reachable:
        log.info(
            "open to this machine",
            missing=", ".join(missing),
            meaning="its programs, builds with the network among them, are asked for no such thing",
            next="python -m ci.server init makes both; or keep builds from it by sandboxNetwork",
        )
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
