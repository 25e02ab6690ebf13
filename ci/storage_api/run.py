"""run_storage: the whole stand-in.

run_storage
├─ signals          opened before serving, or an early SIGTERM is lost
├─ listening socket bound by us: a port in use is one line
├─ data folder      held against a second one
└─ serve            ci/serve.py, until a signal comes
"""

from __future__ import annotations

import signal

import structlog
import trio

from ci.config import ServerConfig
from ci.datafolder import hold_folder
from ci.limits import make_limits, raise_file_limit
from ci.listen import open_listener, url_of
from ci.program import keep_what_lasts
from ci.serve import serve_app
from ci.storage_api.app import create_app
from ci.storage_api.chaos import Chaos
from ci.storage_api.settings import StorageConfig
from ci.storage_api.store import open_storage

log = structlog.get_logger()


async def run_storage(config: StorageConfig) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError when it can't start."""
    raise_file_limit()
    usual = ServerConfig.check({})
    limits = make_limits(usual.max_connections, usual.client_timeout_seconds, usual.max_body_bytes)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listener = open_listener(config.host, config.port)
        host, port = listener.getsockname()[:2]
        with hold_folder(config.data_dir), open_storage(config.data_dir) as storage:
            stop = trio.Event()
            app = create_app(storage, config.api_token, Chaos(config.unstable, config.slow))
            async with trio.open_nursery() as serving:
                await serving.start(serve_app, app, listener, limits, stop)
                keep_what_lasts()
                log.info(
                    "listening",
                    url=url_of(host, port, tls=False),
                    data=str(config.data_dir),
                    token=config.api_token is not None,
                )
                async for number in signals:
                    log.info("stopping", signal=signal.Signals(number).name)
                    stop.set()
                    break
    log.info("stopped")
