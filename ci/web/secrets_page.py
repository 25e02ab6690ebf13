"""For administrators: the secrets of builds, which are set here and shown nowhere."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from quart import Blueprint, Response, redirect, url_for
from quart.typing import ResponseReturnValue

from ci.errors import RequestError
from ci.repository import shown_url
from ci.web import parts
from ci.web.access import refuse_forged_form
from ci.web.body import read_form, refuse_cross_site
from ci.web.core import the_core
from ci.web.visitors import the_reader

secret_pages = Blueprint("secrets", __name__)
secret_pages.before_request(refuse_cross_site)
secret_pages.before_request(refuse_forged_form)

# What is shown again when it was wrong: all but the value.
_SHOWN_AGAIN: Final = ("repository", "name", "branches", "commands")


@secret_pages.get("/secrets")
async def secrets() -> Response:
    """List them, and the agents that may be sent them."""
    return await _send_secrets(dict.fromkeys(_SHOWN_AGAIN, ""))


@secret_pages.post("/secrets")
async def set_secret() -> ResponseReturnValue:
    """Set a secret, or replace it."""
    form = await read_form()
    commands = [line.strip() for line in form.get("commands", "").split("\n")]
    try:
        await the_core().vault.put(
            the_reader().asker,
            repository=form.get("repository", ""),
            name=form.get("name", "").strip(),
            value=form.get("value", ""),
            branches=re.split(r"[\s,]+", form.get("branches", "").strip()),
            commands=[rule for rule in commands if rule],
        )
    except RequestError as error:
        return await _send_secrets({name: form.get(name, "") for name in _SHOWN_AGAIN}, error)
    return _back()


@secret_pages.post("/secrets/remove")
async def remove_secret() -> ResponseReturnValue:
    """Forget a secret."""
    form = await read_form()
    await the_core().vault.remove(
        the_reader().asker, repository=form.get("repository", ""), name=form.get("name", "")
    )
    return _back()


@secret_pages.post("/secrets/trust")
async def trust_agent() -> ResponseReturnValue:
    """Trust an agent with secrets, or no more."""
    form = await read_form()
    await the_core().vault.trust(
        the_reader().asker, form.get("name", ""), trusted=form.get("trusted") == "yes"
    )
    return _back()


async def _send_secrets(form: dict[str, str], error: RequestError | None = None) -> Response:
    core = the_core()
    status = HTTPStatus.OK if error is None else error.http_status
    names = {shown_url(url): name for name, url in core.repositories.items()}
    kept = core.vault.all()
    return await parts.send_page(
        "secrets.html",
        status,
        secrets=kept,
        lost={secret.key for secret in kept if core.vault.is_lost(secret)},
        last_uses=await core.vault.last_uses(),
        names=names,
        agents=await core.agents(),
        trusted=await core.vault.trusted(),
        form=form,
        default_branch=core.config.default_commit,
        error=error,
        now=core.now(),
    )


def _back() -> ResponseReturnValue:
    return redirect(url_for("secrets.secrets"), HTTPStatus.SEE_OTHER)
