"""The calls of the storage API, without regard to case, to a slash at the end, or to `/api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar, TypeVarTuple

import trio
from quart import Response, jsonify, request
from quart_trio import QuartTrio

from ci import blocking, serve
from ci.storage_api.chaos import Chaos
from ci.storage_api.messages import (
    BadRequest,
    BuildArguments,
    CancelBody,
    ConfigurationBody,
    FinishBody,
    PageArguments,
    RequestBody,
    StartBody,
    read_arguments,
    read_body,
    told_build,
    told_configuration,
    told_start,
)
from ci.storage_api.store import NoSuchBuild, NotNow, Storage
from ci.wire.token import is_shown

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Call = Callable[[bytes], Awaitable[Response]]

MAX_BODY_BYTES: Final = 32 << 20  # a log comes in one piece
METHODS: Final = ("GET", "POST", "DELETE", "PUT", "PATCH")


def create_app(storage: Storage, token: str | None, chaos: Chaos) -> QuartTrio:
    """Make the application; without a `token` everybody may ask."""
    calls = _Calls(storage)
    table: dict[str, dict[str, Call]] = {
        "conf": {"GET": calls.conf, "POST": calls.configure, "DELETE": calls.forget},
        "build/list": {"GET": calls.list},
        "build/details": {"GET": calls.details},
        "build/log": {"GET": calls.log},
        "build/request": {"POST": calls.request},
        "build/start": {"POST": calls.start},
        "build/finish": {"POST": calls.finish},
        "build/cancel": {"POST": calls.cancel},
    }
    app = QuartTrio("ci.storage_api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    async def answer(path: str) -> Response:
        if token is not None and not is_shown(request.headers.get("Authorization", ""), token):
            return Response("", 401, {"WWW-Authenticate": "Bearer"})
        place = path.lower().strip("/").removeprefix("api/")
        methods = table.get(place)
        if methods is None:
            return Response("", 404)
        call = methods.get(request.method)
        if call is None:
            return Response("", 405, {"Allow": ", ".join(methods)})
        body = await serve.read_body()
        try:
            return await chaos.pass_by(partial(call, body))
        except BadRequest as error:
            said = jsonify({"title": "The request is not valid.", "errors": error.errors})
            said.status_code = 400
            return said
        except NoSuchBuild as error:
            fields = {"buildId": [f"there is no build {error}"]}
            said = jsonify({"title": "There is no such build.", "errors": fields})
            said.status_code = 400
            return said
        except NotNow:
            return Response("", 500)  # that it says no more is part of what it stands in for

    app.after_request(serve.finish_body)
    return app


class _Calls:
    """One method for each call."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turn = trio.CapacityLimiter(1)  # there is one connection to the store

    async def conf(self, _body: bytes) -> Response:
        there = await self._do(self._storage.configuration)
        return jsonify({} if there is None else {"data": told_configuration(there)})

    async def configure(self, body: bytes) -> Response:
        await self._do(self._storage.configure, read_body(ConfigurationBody, body).value())
        return Response("")

    async def forget(self, _body: bytes) -> Response:
        await self._do(self._storage.forget)
        return Response("")

    async def list(self, _body: bytes) -> Response:
        page = read_arguments(PageArguments, request.args)
        builds = await self._do(self._storage.builds, page.offset, page.limit)
        return jsonify({"data": [told_build(build) for build in builds]})

    async def details(self, _body: bytes) -> Response:
        wanted = read_arguments(BuildArguments, request.args)
        return jsonify({"data": told_build(await self._do(self._storage.build, _id(wanted)))})

    async def log(self, _body: bytes) -> Response:
        wanted = read_arguments(BuildArguments, request.args)
        return Response(await self._do(self._storage.log, _id(wanted)), content_type="text/plain")

    async def request(self, body: bytes) -> Response:
        build = await self._do(self._storage.request, read_body(RequestBody, body).value())
        said = told_build(build)
        return jsonify({"data": {name: said[name] for name in ("id", "buildNumber", "status")}})

    async def start(self, body: bytes) -> Response:
        said = read_body(StartBody, body)
        await self._do(self._storage.start, _id(said), told_start(said.date_time))
        return Response("")

    async def finish(self, body: bytes) -> Response:
        said = read_body(FinishBody, body)
        end = partial(self._storage.finish, success=said.success, log=said.build_log)
        await self._do(end, _id(said), said.duration)
        return Response("")

    async def cancel(self, body: bytes) -> Response:
        await self._do(self._storage.cancel, _id(read_body(CancelBody, body)))
        return Response("")

    async def _do(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        return await blocking.run(work, *args, limiter=self._turn)


def _id(said: BuildArguments | CancelBody) -> str:
    return str(said.build_id)
