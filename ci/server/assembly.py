"""How the parts of the server are put together, around its store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
import trio
from argon2 import PasswordHasher

from ci import blocking
from ci.config import ServerConfig
from ci.disk import free_bytes
from ci.model import Agent, Status
from ci.server.client import AgentClient, Http
from ci.server.core import Server
from ci.server.durations import Durations
from ci.server.enrolments import Enrolments
from ci.server.external.client import DialStorage, dial_storage
from ci.server.external.storage import Storage
from ci.server.external.words import NoStorage
from ci.server.fleet import Fleet
from ci.server.journal import Journal
from ci.server.logs import Logs
from ci.server.metrics import Metrics
from ci.server.people.keys import open_keys
from ci.server.people.passwords import Passwords
from ci.server.people.people import make_people
from ci.server.people.provider import Dial, dial_provider
from ci.server.queue import Queue
from ci.server.retention import Retention
from ci.server.room import FreeBytes, Room
from ci.server.rules import Rules
from ci.server.safety import check_safe, openid_terms, openness_of
from ci.server.store.store import News, open_store
from ci.server.store.tables import SCHEMA
from ci.server.supervision import Supervision
from ci.server.vault import Vault

log = structlog.get_logger()


def utc_now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_server(
    config: ServerConfig,
    http: Http,
    now: Callable[[], datetime] = utc_now,
    free_bytes: FreeBytes = free_bytes,
    *,
    hasher: PasswordHasher | None = None,
    dial_openid: Dial = dial_provider,
    dial_external: DialStorage = dial_storage,
) -> AsyncIterator[Server]:
    """Open the store and ask all known agents what they run; leave the block to stop.

    `http` is used for every call to an agent, `free_bytes` asks the disk, `hasher` hashes
    passwords, `dial_openid` reaches a log-in provider, `dial_external` an external storage. Raises
    StoreError, and ConfigError when it would not be safe.
    """

    def dial(agent: Agent) -> AgentClient:
        secret = enrolments.secret(agent.name)
        return AgentClient(
            http,
            agent.host,
            agent.port,
            secret,
            certificate=agent.certificate,
            credential=enrolments.own_credential(agent.name),
            key=enrolments.server_key(agent.name),
            native=agent.native,
        )

    journal = Journal(Metrics())
    async with (
        AsyncExitStack() as opened,
        open_store(config.data_dir, now, journal) as store,
        trio.open_nursery() as nursery,
    ):
        keys = await blocking.run(open_keys, config.key_path)
        await store.book.load()
        await store.safe.load()
        enrolments = Enrolments(
            keys, config.agent_token, await store.enrolments(), config.foreign_agents
        )
        vault = Vault(
            config,
            keys,
            store.safe,
            enrolments,
            has_accounts=lambda: bool(store.book.accounts),
            now=now,
        )
        people = make_people(
            store.book,
            keys,
            openness_of(config),
            session_lifetime=timedelta(days=config.session_days),
            passwords=Passwords(hasher),
            now=now,
            terms=openid_terms(config),
            dial=dial_openid,
        )
        check_safe(config, people)
        nursery.start_soon(people.tokens.serve_uses)
        logs = Logs(config.data_dir / "logs")
        queue = Queue(store, logs.begin)
        refused = journal.metrics.disk_refusals.inc
        room = Room(config.data_dir, config.min_free_bytes, free_bytes, refused)
        supervision = Supervision(
            store=store,
            queue=queue,
            config=config,
            dial=dial,
            now=now,
            journal=journal,
            room=room,
            vault=vault,
        )
        fleet = Fleet(
            nursery,
            store,
            supervision,
            now,
            max_agents=config.max_agents,
            enrolments=enrolments,
            journal=journal,
        )
        durations = Durations(store)
        storage = None
        if config.api_base_url is not None:
            calls = await opened.enter_async_context(dial_external(config))
            storage = Storage(
                calls,
                config.api_base_url,
                config,
                store=store,
                logs=logs,
                queue=queue,
                room=room,
                now=now,
            )
        news = News(waiting=queue.wake, over=fleet.over, green=durations.note)
        store.tell(replace(news, changed=storage.changed) if storage else news)
        await fleet.start()
        found = await store.unfinished()
        log.info(
            "store opened",
            data=str(config.data_dir),
            schema=SCHEMA,
            waiting=found[Status.WAITING],
            running=found[Status.RUNNING],
            agents=len(fleet.members),
        )
        if storage is not None:
            nursery.start_soon(storage.serve_storage)
        elif left := await store.inbox.unreported():
            log.warning("storage builds left", builds=len(left), next="set apiBaseUrl again")
        nursery.start_soon(Retention(store, logs, Rules.of(config), now).serve_rules, room)
        yield Server(
            config,
            store,
            fleet,
            logs,
            room,
            people=people,
            enrolments=enrolments,
            vault=vault,
            durations=durations,
            now=now,
            journal=journal,
            storage=storage or NoStorage(),
        )
        nursery.cancel_scope.cancel()
