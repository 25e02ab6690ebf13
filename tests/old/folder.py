"""Data folders as earlier versions wrote them: one for each schema, as text beside this file.

`ci.sql` is the database, `logs/` the logs, `seen.json` what the API told of it at that time.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
from markupsafe import escape

from ci.config import ServerConfig
from ci.server.assembly import open_server
from ci.server.run import create_server_app
from ci.server.store.database import FILE_NAME
from tests.fakes.asgi import AppTransport
from tests.fakes.network import Network

OLD: Final = Path(__file__).parent
# What depends on who is there and on the time, not on the data folder.
_OF_THE_MOMENT: Final = (
    "waiting_for",
    "starts_in_s",
    "phase",
    "state",
    "last_heard",
    "load",
    "problem",
    "ended_24h",
    "use_24h",
)


def unpack(schema: str, folder: Path) -> Path:
    """Make the data folder of a schema anew in `folder`, and return it."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript((OLD / schema / "ci.sql").read_text("utf-8"))
    shutil.copytree(OLD / schema / "logs", folder / "logs")
    return folder


async def look(folder: Path) -> dict[str, Any]:
    """Open a data folder with today's server; return what builds, agents and logs it tells of."""
    config = ServerConfig.check(
        {"repositories": {"demo": "/srv/git/demo"}, "dataDir": str(folder), "hostNames": ["server"]}
    )
    async with Network().client() as http, open_server(config, http) as server:
        app: Any = create_server_app(server)
        transport = AppTransport(app, client=("10.9.8.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:

            async def get(path: str) -> httpx.Response:
                answer = await client.get(path, headers={"Accept": "text/html"})
                assert answer.status_code == 200, answer.text
                return answer

            builds = (await get("/api/builds?limit=500")).json()["builds"]
            agents = (await get("/api/agents")).json()["agents"]
            for each in [*builds, *agents]:
                for name in _OF_THE_MOMENT:
                    each.pop(name, None)
            logs = {}
            for build in builds:
                page = f"/build/{build['number']}"
                assert escape(build["command"]) in (await get(page)).text
                for id in (attempt["id"] for attempt in build["attempts"]):
                    logs[id] = (await get(f"{page}/log?attempt={id}")).content.decode("latin-1")
            return {"builds": builds, "agents": agents, "logs": logs}
