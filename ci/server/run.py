"""run_server: the whole server, one screen. Read this first.

run_server
├─ signals          opened before serving, or an early SIGTERM is lost
├─ data folder      held against a second server
├─ open_server      store (one writer), queue, fleet (a supervised task per agent)
└─ serve            Hypercorn, beside the fleet: if either crashes, the process ends

Stopping is the nesting reversed: no more requests, then the fleet, then the store. Agents are
not told: they go on with what they run and deliver it when the server is back.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import structlog
import trio
from quart_trio import QuartTrio

from ci.config import ServerConfig
from ci.datafolder import hold_folder
from ci.errors import ConfigError
from ci.listen import open_listener
from ci.serve import serve_app
from ci.server.api import create_blueprint
from ci.server.client import dial_http
from ci.server.core import Server, open_server
from ci.web.app import create_app

log = structlog.get_logger()


async def run_server(config: ServerConfig) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError or StoreError when it can't start."""
    if not config.known_repositories:
        raise ConfigError(
            "repository: none is given, so there is nothing to build; "
            "set repository in server-conf.json, or use --repository URL-OR-PATH"
        )
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listener = open_listener(config.host, config.port)
        host, port = listener.getsockname()[:2]
        with hold_folder(config.data_dir):
            async with (
                dial_http() as http,
                open_server(config, http) as server,
                trio.open_nursery() as nursery,
            ):
                stop = trio.Event()
                nursery.start_soon(_stop_at_signal, signals, stop)
                await nursery.start(serve_app, create_server_app(server), listener, stop)
                log.info("listening", url=f"http://{host}:{port}", data=str(config.data_dir))
    log.info("stopped")


def create_server_app(server: Server) -> QuartTrio:
    """Make the one application: pages and API for people, and the routes for agents."""
    app = create_app(server, server.config.max_body_bytes)
    app.register_blueprint(create_blueprint(server))
    return app


async def _stop_at_signal(signals: AsyncIterator[int], stop: trio.Event) -> None:
    async for number in signals:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()
        return
