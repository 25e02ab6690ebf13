"""The vault: secrets are set here, never shown again, and packed for the agents that may have them.

A secret is sealed by AES-GCM with a key that is derived from the server's key file. Its name, its
repository and its rules are sealed with it: who changes those in the store has changed the secret.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from ci.config import ServerConfig
from ci.errors import Rejected
from ci.listen import is_loopback
from ci.model import Agent, Build, Outcome, Reason, Standing, Status
from ci.people import Asker
from ci.policy import ANY, CommandPolicy, rule_problem
from ci.repository import shown_url
from ci.secretrules import branch_rules_problem, clean_value, value_problem, variable_problem
from ci.server.enrolments import Enrolments
from ci.server.people.keys import Keys
from ci.server.store.safe import Safe
from ci.server.views import KeptSecret, SecretKey
from ci.wire.job import JobSecret
from ci.wire.status import MAX_RULES, AgentStatus

_NONCE_BYTES: Final = 12  # as AES-GCM has it
_FORMAT: Final = 1  # of what is sealed


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes to an agent of the secrets of a build, and in words for people, what not and why.

    With a `refusal` the build can't begin.
    """

    secrets: tuple[JobSecret, ...] = ()
    keys: tuple[SecretKey, ...] = ()
    note: str = ""
    refusal: Outcome | None = None


NOTHING: Final = Packed()


class SecretLost(Exception):
    """A secret can't be opened: the key file is another one, or somebody has changed the store."""


class Vault:
    """All secrets of a server."""

    def __init__(
        self,
        config: ServerConfig,
        keys: Keys,
        safe: Safe,
        enrolments: Enrolments,
        *,
        has_accounts: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._cipher = AESGCM(keys.derive("secrets"))
        self._safe = safe
        self._enrolments = enrolments
        self._has_accounts = has_accounts
        self._now = now

    def all(self) -> tuple[KeptSecret, ...]:
        """Return all secrets, none of them open, by repository and name."""
        return tuple(self._safe.kept[key] for key in sorted(self._safe.kept))

    def is_lost(self, secret: KeptSecret) -> bool:
        """Whether it can't be opened any more."""
        try:
            self._open(secret)
        except SecretLost:
            return True
        return False

    async def last_uses(self) -> Mapping[SecretKey, datetime | None]:
        """Return when each was last sent to an agent."""
        return await self._safe.last_uses()

    async def put(
        self,
        by: Asker,
        *,
        repository: str,
        name: str,
        value: str,
        branches: Sequence[str],
        commands: Sequence[str] = (ANY,),
    ) -> None:
        """Set a secret, or replace it. `repository` is a name or URL of the configuration.

        Raises Rejected with the field that is wrong, Conflict, StoreFailed, Busy.
        """
        url = self._find(repository)
        clean = clean_value(value)
        commands = tuple(commands) or (ANY,)
        for field, problem in (
            ("name", variable_problem(name, self._config.environment_names)),
            ("value", value_problem(clean)),
            ("branches", branch_rules_problem(branches)),
            ("commands", _commands_problem(commands)),
        ):
            if problem is not None:
                raise Rejected(f"{field}: {problem}", field=field)
        rules = tuple(branches)
        sealed = self._seal(clean, _bound((url, name), rules, commands))
        now = self._now()
        await self._safe.put(by, KeptSecret(url, name, rules, commands, sealed, now, by.name))

    async def remove(self, by: Asker, *, repository: str, name: str) -> None:
        """Forget a secret, also of a repository that is configured no more. Raises NotFound."""
        known = self._config.known_repositories
        await self._safe.remove(by, (shown_url(known.get(repository, repository)), name))

    async def trusted(self) -> frozenset[str]:
        """Name the agents that an administrator trusts with secrets."""
        found = await self._safe.trusted()
        return frozenset(name for name in found if self._is_trusted(name, found))

    async def trust(self, by: Asker, agent: str, *, trusted: bool) -> None:
        """Trust an agent with secrets, until it gets another credential. Raises NotFound."""
        await self._safe.trust(by, agent, trusted=trusted)

    async def pack(self, build: Build, agent: Agent, status: AgentStatus) -> Packed:
        """Say which secrets an agent is sent for a build. It decides which the command gets."""
        url = shown_url(build.repository_url)
        found = [secret for secret in self.all() if secret.repository == url]
        fitting, notes = [], []
        for secret in found:
            if CommandPolicy(secret.commands).judge(build.command).allowed:
                fitting.append(secret)
            else:
                notes.append(f"It did not have {secret.name}: that is for other commands.")
        if not fitting:
            return Packed(note=" ".join(notes))
        names = ", ".join(secret.name for secret in fitting)
        if (problem := await self._agent_problem(agent, status)) is not None:
            notes.append(f"It did not have {names}: {problem}.")
            return Packed(note=" ".join(notes))
        try:
            opened = tuple(
                JobSecret(
                    name=secret.name,
                    value=SecretStr(self._open(secret)),
                    branches=secret.branches,
                )
                for secret in fitting
            )
        except SecretLost as error:
            return Packed(refusal=Outcome(Status.ERROR, Reason.SECRET_LOST, f"{error}"))
        notes.append(f"{names} went to its agent, which gives them to commits on their branches.")
        return Packed(opened, tuple(secret.key for secret in fitting), " ".join(notes))

    async def _agent_problem(self, agent: Agent, status: AgentStatus) -> str | None:
        """Say why an agent is sent no secret, or None."""
        if not self._has_accounts():
            return (
                "nobody has to log in here, so everybody could have a build print it; "
                "python -m ci.server init makes an administrator"
            )
        if not (agent.native and status.takes_secrets):
            why = status.no_secrets or "it does not say that it masks them"
            return f"agent {agent.name} takes none ({why})"
        if self._enrolments.standing(agent.name) is not Standing.ENROLLED:
            return (
                f"agent {agent.name} has no credential of its own; where there is no agentToken "
                "yet, python -m ci.server init makes one"
            )
        if not self._is_trusted(agent.name, await self._safe.trusted()):
            return (
                f"agent {agent.name} is not trusted with secrets; an administrator can change "
                "that on the page of the secrets"
            )
        is_encrypted = agent.certificate and self._config.certificate is not None
        if not (is_encrypted or is_loopback(agent.host) or self._config.secrets_in_clear):
            return (
                f"between the server and agent {agent.name} whoever sees the network could read "
                "them; give both a certificate, or set secretsInClear"
            )
        return None

    def _is_trusted(self, name: str, trusted: Mapping[str, int]) -> bool:
        """Whether it still has the credential that it had when somebody trusted it."""
        return name in trusted and self._enrolments.generation(name) == trusted[name]

    def _find(self, repository: str) -> str:
        """Return the URL of a configured repository, as it is shown."""
        known = self._config.known_repositories
        for name, url in known.items():
            if repository in (name, url, shown_url(url)):
                return shown_url(url)
        message = f"{repository[:200]!r} is not configured; known: {', '.join(known) or 'none'}"
        raise Rejected(f"repository: {message}", field="repository")

    def _seal(self, value: str, bound: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, value.encode(), bound)).decode()

    def _open(self, secret: KeptSecret) -> str:
        bound = _bound(secret.key, secret.branches, secret.commands)
        try:
            sealed = b64decode(secret.sealed)
            nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, bound).decode()
        except (InvalidTag, ValueError):
            raise SecretLost(
                f"The secret {secret.name} can't be opened: it was set under another key file, or "
                "changed in the store. Restore the key file, or set the secret again."
            ) from None


def _bound(key: SecretKey, branches: Sequence[str], commands: Sequence[str]) -> bytes:
    return json.dumps([_FORMAT, *key, list(branches), list(commands)]).encode()


def _commands_problem(rules: Sequence[str]) -> str | None:
    if len(rules) > MAX_RULES:
        return f"has {len(rules)} rules, at most {MAX_RULES} are allowed"
    return next((problem for rule in rules if (problem := rule_problem(rule))), None)
