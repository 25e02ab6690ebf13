"""Accounts of a real server, made as a person would make them, by its pages."""

from __future__ import annotations

import re
from typing import Final

import httpx

from tests.real.harness import START_S, Server

PASSWORD: Final = "correct horse battery"
_FORM_TOKEN: Final = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
_API_TOKEN: Final = re.compile("nci_[A-Za-z0-9_-]{43}")


def make_token(server: Server, role: str = "admin") -> str:
    """Make an account of that role, the first one of a server, and return an API token of it."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=START_S, verify=False) as http:
        admin = {"name": "boss", "role": "admin", "password": PASSWORD}
        assert http.post("/people", data=admin).status_code == 303
        http.post("/login", data={"name": "boss", "password": PASSWORD})
        found = _FORM_TOKEN.search(http.get("/account").text)
        assert found is not None
        wanted = {"name": "test", "scope": role, "days": "1", "form_token": found[1]}
        page = http.post("/account/tokens", data=wanted).text
        token = _API_TOKEN.search(page)
        assert token is not None, page
        return token[0]
