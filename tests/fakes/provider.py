"""A small OpenID provider: what it answers, without a socket; `tests/real` puts one in front."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from ci.people import Role
from ci.server.people.openid import Terms

ISSUER: Final = "https://login.example.org/team"
BACK: Final = "http://ci.test/login/openid/back"
CLIENT: Final = "nursery"
SECRET: Final = "of-the-client"
ROLES: Final = {Role.ADMIN: ("ci-admins",), Role.RUNNER: ("dev", "ops"), Role.VIEWER: ("*",)}


class FakeProvider:
    """Lets in whoever `claims` say, at once. A test changes what it does by its fields."""

    def __init__(self, issuer: str = ISSUER, now_s: Callable[[], float] = time.time) -> None:
        self.issuer = issuer
        self.now_s = now_s
        self.key = self.new_key("first")
        self.claims: dict[str, Any] = {
            "sub": "4711",
            "preferred_username": "ada",
            "groups": ["dev"],
        }
        self.user: dict[str, Any] = {}  # what /userinfo tells
        self.changed: dict[str, Any] = {}  # put over what stands in its answers, by their path
        self.roles: Mapping[Role, tuple[str, ...]] = ROLES
        self.refuses = ""  # an error in the place of a code
        self.asked: list[str] = []  # paths
        self.algorithm = "RS256"
        self._codes: dict[str, tuple[str, str]] = {}  # code → nonce and challenge
        self.back = BACK

    @staticmethod
    def new_key(name: str) -> RSAKey:
        """Make a key pair."""
        return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})

    @property
    def terms(self) -> Terms:
        """What a server's settings say of it."""
        return Terms(self.issuer, CLIENT, SECRET, self.back, "groups", self.roles)

    def dial(self) -> httpx.AsyncClient:
        """Make a client that reaches nobody else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._handle))

    def visit(self, address: str) -> dict[str, str]:
        """Be a browser that was sent there, and return what it comes back with."""
        status, headers, _ = self.answer("GET", address, b"", {})
        assert status == httpx.codes.SEE_OTHER
        query = parse_qs(urlsplit(headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def _handle(self, request: httpx.Request) -> httpx.Response:
        status, headers, body = self.answer(
            request.method, str(request.url), request.content, dict(request.headers)
        )
        return httpx.Response(status, headers=headers, content=body)

    def answer(
        self, method: str, address: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer a request."""
        parts = urlsplit(address)
        path = parts.path.removeprefix(urlsplit(self.issuer).path)
        self.asked.append(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if path == "/authorize":
            return 303, {"Location": self._send_back(query)}, b""
        answer: dict[str, Any]
        if path == "/.well-known/openid-configuration":
            answer = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
            }
        elif path == "/keys":
            answer = KeySet([self.key]).as_dict(private=False)  # type: ignore[assignment]
        elif path == "/token" and method == "POST":
            answer = self._redeem(form)
        elif path == "/userinfo" and headers.get("authorization") == "Bearer access":
            answer = self.user
        else:
            return 404, {}, b"{}"
        answer |= self.changed.get(path, {})
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _send_back(self, query: dict[str, str]) -> str:
        assert query["client_id"] == CLIENT
        assert query["redirect_uri"] == self.back
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        back = {"state": query["state"]}
        if self.refuses:
            back["error"] = self.refuses
        else:
            code = f"code-{len(self._codes)}"
            self._codes[code] = query["nonce"], query["code_challenge"]
            back["code"] = code
        return f"{self.back}?{urlencode(back)}"

    def _redeem(self, form: dict[str, str]) -> dict[str, Any]:
        if form.get("code") not in self._codes:  # a code is good once
            return {"error": "invalid_grant"}
        nonce, challenge = self._codes.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        assert form["redirect_uri"] == self.back
        now = int(self.now_s())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        } | self.claims
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return {"access_token": "access", "id_token": jwt.encode(header, claims, self.key)}
