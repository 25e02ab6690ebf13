"""What the server calls: /build, /cancel, /status. Reads and writes messages; decides nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from quart import Response, g, jsonify, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from ci import exposition
from ci.errors import RequestError, TooLarge
from ci.gate import NO_PAGE, Gate
from ci.serve import asked_target, finish_body, read_body
from ci.wire.job import PATH as BUILD_PATH
from ci.wire.job import read_job, with_prefix
from ci.wire.sealed import open_secrets
from ci.wire.status import CANCEL_PATH, PATH, read_cancel
from ci.wire.token import refuse_browser

if TYPE_CHECKING:
    from ci.agent.agent import Agent

MAX_BODY: Final = 1 << 20  # bytes; a job is a command and some words
FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS: Final = 100
# What a server of this project asks. Whatever else comes while we have one is not from it: whoever
# watches us must not keep us from telling a server that has forgotten us.
OF_OURS: Final = (("GET", PATH), ("POST", BUILD_PATH), ("POST", CANCEL_PATH))
# Where programs of others look whether an agent lives.
HEALTH_PATHS: Final = ("/", "/ping", "/health", "/is-alive", BUILD_PATH, PATH)


def create_app(agent: Agent) -> QuartTrio:
    """Make the application that the agent serves."""
    app = QuartTrio(__name__, static_folder=None)
    app.url_map.strict_slashes = False  # some programs end every address by one
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = agent.config.client_timeout_seconds

    @app.before_request
    async def note_server() -> None:
        headers = dict(request.headers)
        refuse_browser(headers)
        to_look = request.path == exposition.PATH  # by a monitor, which knows the token alone
        g.proof = agent.door.check(headers, request.method, asked_target(), to_look=to_look)
        agent.door.check_nonce(g.proof)
        asked = request.method, request.path
        if asked in OF_OURS or (not agent.line.native and request.path != exposition.PATH):
            agent.line.heard()

    @app.after_request
    async def prove(response: Response) -> Response:
        if (proof := g.get("proof")) is not None:
            body = await response.get_data(as_text=False)
            assert isinstance(body, bytes)  # by `as_text`
            response.headers.update(agent.door.sign(proof, response.status_code, body))
        return response

    @app.post(BUILD_PATH)
    async def build() -> tuple[Response, int]:
        job = read_job(open_secrets(await _said(), agent.secret.own))
        job = with_prefix(job, agent.config.repository_prefix)
        await agent.attempts.accept(job)
        return jsonify({"id": job.said_id, "status": "accepted"}), 202

    @app.post(CANCEL_PATH)
    async def cancel() -> tuple[Response, int]:
        asked = read_cancel(await _read_body())
        agent.attempts.cancel(asked.id, asked.lease_mark)
        return jsonify({}), 202

    @app.get(exposition.PATH)
    async def metrics() -> Response:
        return Response(await agent.metrics(), content_type=exposition.CONTENT_TYPE)

    async def status() -> Response:
        return jsonify(await agent.status())

    for path in HEALTH_PATHS:
        app.add_url_rule(path, f"status {path}", status, methods=["GET"])
    app.add_url_rule("/ping", "post ping", status, methods=["POST"])

    @app.errorhandler(RequestError)
    async def say_problem(error: RequestError) -> tuple[Response, int]:
        return _problem(error.message, error.field), error.http_status

    @app.errorhandler(HTTPException)
    async def say_http_problem(error: HTTPException) -> tuple[Response, int]:
        if error.code == TooLarge.http_status:
            return _problem(f"the body is over {MAX_BODY} bytes"), TooLarge.http_status
        return _problem(error.description or error.name), error.code or 500

    app.after_request(_add_headers)
    app.after_request(finish_body)
    # Who has no token to ask for answers to the name that he has told, else any page could ask.
    hosts = frozenset({agent.config.host}) if agent.config.agent_token is None else None
    advice = "set host to it in agent-conf.json"
    app.asgi_app = Gate(app.asgi_app, hosts, advice)  # type: ignore[method-assign] # Quart's own way
    return app


async def _said() -> bytes:
    """Return a body of JSON. Some programs put the same fields into a form or into the address."""
    body = await _read_body()
    if not body and request.args:
        fields = list(request.args.items())
    elif request.mimetype == FORM and not body.lstrip().startswith(b"{"):
        fields = parse_qsl(body.decode(errors="replace"), max_num_fields=MAX_FORM_FIELDS)
    else:
        return body
    return json.dumps(dict(fields)).encode()


async def _read_body() -> bytes:
    """Read the body; of a signed request it is the one that was signed. Raises Unauthorized."""
    body = await read_body()
    if g.proof is not None:
        g.proof.signed.check_body(body)
    return body


async def _add_headers(response: Response) -> Response:
    response.headers.update(NO_PAGE)
    return response


def _problem(message: str, field: str | None = None) -> Response:
    body: dict[str, Any] = {"error": {"field": field, "message": message}}
    return jsonify(body)
