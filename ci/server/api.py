"""What agents call: /notify_agent, /notify_build_log, /notify_build_result, in both spellings."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable

from quart import Blueprint, Response, g, jsonify, request

from ci.errors import AgentRevoked, LogFull, LogGap, Rejected, RequestError, TooLarge
from ci.serve import asked_target, read_body
from ci.server.core import Server
from ci.server.enrolments import Caller
from ci.wire import registration, result
from ci.wire.registration import read_registration
from ci.wire.result import MAX_LOG_CHUNK, is_result, read_result
from ci.wire.signature import read_signed
from ci.wire.token import refuse_browser

Handler = Callable[[], Awaitable[Response]]

PREFIXES = ("", "/api")  # some agents of others put it in front


def create_blueprint(server: Server) -> Blueprint:
    """Make the routes for agents."""
    blueprint = Blueprint("agents", __name__)

    def route(paths: tuple[str, ...], handler: Handler) -> None:
        for prefix in PREFIXES:
            for path in paths:
                blueprint.add_url_rule(
                    prefix + path, view_func=handler, methods=["POST"], strict_slashes=False
                )

    async def notify_agent() -> Response:
        said = read_registration(await _read_body(), request.remote_addr or "")
        server.proofs.renew(g.proof)
        return jsonify(await server.register(said, _caller()))

    async def notify_build_log() -> Response:
        id = request.args.get("id", "")
        offset = _offset("offset", request.args.get("offset", ""))
        cut = _offset("cut", request.args["cut"]) if "cut" in request.args else None
        data = _unpack(await _read_body(), request.headers.get("Content-Encoding", ""))
        mark = request.args.get("lease_mark", "")
        caller = _caller()
        size = await server.append_log(id, offset, data, cut, lease_mark=mark, caller=caller)
        return jsonify({"size": size})

    async def notify_build_result() -> Response:
        await server.finish(read_result(await _read_body()), _caller())
        return jsonify({"ok": True})

    async def notify_agent_build() -> Response:
        told_result = is_result(await _read_body())
        return await (notify_build_result() if told_result else notify_agent())

    route(registration.PATHS, notify_agent)
    route(result.LOG_PATHS, notify_build_log)
    route(result.RESULT_PATHS, notify_build_result)
    route(result.EITHER_PATHS, notify_agent_build)

    @blueprint.before_request
    async def know_agent() -> None:
        headers = dict(request.headers)
        refuse_browser(headers)
        g.proof = None
        g.signed = read_signed(headers)
        if g.signed is None:
            header, address = headers.get("Authorization", ""), request.remote_addr or ""
            g.caller = server.enrolments.caller(header, address)
            return
        # Before anything else can be refused, so that what is refused is proved as well.
        g.proof = server.proofs.check(g.signed, request.method, asked_target())
        g.caller = server.proofs.caller(g.proof)

    @blueprint.after_request
    async def prove(response: Response) -> Response:
        if (proof := g.get("proof")) is not None:
            body = await response.get_data(as_text=False)
            assert isinstance(body, bytes)  # by `as_text`
            response.headers.update(server.proofs.sign(proof, response.status_code, body))
        return response

    @blueprint.errorhandler(RequestError)
    async def say_no(error: RequestError) -> tuple[Response, int]:
        if isinstance(error, AgentRevoked):
            await server.turned_away.note(error.agent, request.remote_addr or "")
        # No Retry-After, on purpose: agents back off by themselves, each at its own pace.
        answer: dict[str, object] = {"error": {"field": error.field, "message": error.message}}
        if isinstance(error, LogGap | LogFull):
            answer["size"] = error.size
        return jsonify(answer), error.http_status

    return blueprint


def _caller() -> Caller:
    caller: Caller = g.caller
    return caller


async def _read_body() -> bytes:
    """Read the body; of a signed request it is the one that was signed. Raises Unauthorized."""
    body = await read_body()
    if g.signed is not None:
        g.signed.check_body(body)
    return body


def _offset(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Rejected(f"{name}: {text[:50]!r} must be a whole number from 0 on", field=name)
    return int(text)


def _unpack(data: bytes, encoding: str) -> bytes:
    """Undo gzip, without ever making more bytes than a piece of a log may have."""
    if encoding.lower() in ("", "identity"):
        return data
    if encoding.lower() != "gzip":
        message = f"Content-Encoding: {encoding[:50]!r} is not known; use gzip or none"
        raise Rejected(message, field="Content-Encoding")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(data, MAX_LOG_CHUNK + 1)
    except zlib.error as error:
        raise Rejected(f"body: is not gzip: {error}", field="body") from error
    if len(plain) > MAX_LOG_CHUNK:
        raise TooLarge(f"a piece of a log has at most {MAX_LOG_CHUNK} bytes", field="body")
    if not unpacker.eof:
        raise Rejected("body: the gzip data ends too early", field="body")
    return plain
