"""run_server: the whole server, one screen. Read this first.

run_server
├─ signals          opened before serving, or an early SIGTERM is lost
├─ listening socket bound by us: a port in use is one line
├─ data folder      held against a second server; ends us when somebody has removed it
├─ open_server      store (one writer), queue, fleet (a supervised task per agent), retention
└─ serve            ci/serve.py, beside the fleet: if either crashes, the process ends

Stopping is the nesting reversed: no more requests, then the fleet, then the store. Agents are
not told: they go on with what they run and deliver it when the server is back.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
import trio
from quart_trio import QuartTrio

from ci.certificates import serving_context
from ci.config import ServerConfig
from ci.datafolder import HeldFolder, hold_folder
from ci.errors import ConfigError, StoreDamaged
from ci.limits import make_limits, raise_file_limit
from ci.listen import is_loopback, open_listener, url_of
from ci.program import keep_what_lasts
from ci.serve import serve_app
from ci.server.api import create_blueprint
from ci.server.assembly import open_server
from ci.server.client import dial_http
from ci.server.core import Server
from ci.server.requests import count_quick, count_requests
from ci.web.app import create_app

log = structlog.get_logger()


async def run_server(config: ServerConfig) -> None:
    """Run until SIGTERM or SIGINT.

    Raises ConfigError or StoreError when it can't start, and StoreDamaged when it has lost its data
    folder.
    """
    if not config.known_repositories and config.api_base_url is None:
        raise ConfigError(
            "repository: none is given, so there is nothing to build; "
            "set repository in server-conf.json, or use --repository URL-OR-PATH, "
            "or apiBaseUrl for builds of a storage API"
        )
    tls = None
    if config.certificate is not None:
        tls = serving_context(config.certificate, config.certificate_key)
    raise_file_limit()
    limits = make_limits(
        config.max_connections, config.client_timeout_seconds, config.max_body_bytes
    )
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listener = open_listener(config.host, config.port)
        host, port = listener.getsockname()[:2]
        with hold_folder(config.data_dir) as folder:
            async with (
                dial_http() as http,
                open_server(config, http) as server,
                trio.open_nursery() as nursery,
            ):
                stop = server.stopping
                nursery.start_soon(_end_without_folder, folder, config.data_dir)
                nursery.start_soon(_stop_at_signals, signals, stop, nursery.cancel_scope)
                async with trio.open_nursery() as serving:
                    app = create_server_app(server)
                    keep_what_lasts()
                    await serving.start(partial(serve_app, tls=tls), app, listener, limits, stop)
                    policy = config.command_policy
                    log.info("rules in force", commands=policy.rules, why=policy.why)
                    url = url_of(host, port, tls=tls is not None)
                    log.info("listening", url=url, data=str(config.data_dir))
                nursery.cancel_scope.cancel()
    log.info("stopped")


def create_server_app(server: Server) -> QuartTrio:
    """Make the one application: pages and API for people, and the routes for agents."""
    config = server.config
    names = frozenset(config.host_names)
    # Behind loopback a name that is not known is another site's, turned to this machine.
    hosts = names if names or is_loopback(config.host) else None
    app = create_app(server, config.max_body_bytes, hosts, partial(count_quick, server))
    app.config["BODY_TIMEOUT"] = config.client_timeout_seconds
    app.register_blueprint(create_blueprint(server))
    count_requests(app, server)
    return app


async def _end_without_folder(folder: HeldFolder, path: Path) -> None:
    """End the server when its data folder is gone: an empty one in its place would hide that."""
    await folder.wait_removed()
    log.error("data folder removed", path=str(path), next="the server ends")
    raise StoreDamaged(
        f"data folder {path}: it, or the lock in it, was removed or replaced under the server; "
        "put it back or restore a back-up, then start the server again"
    )


async def _stop_at_signals(
    signals: AsyncIterator[int], stop: trio.Event, now: trio.CancelScope
) -> None:
    """The first signal ends in order, the second at once."""
    async for number in signals:
        log.info("stopping", signal=signal.Signals(number).name)
        if stop.is_set():
            now.cancel()
        stop.set()
