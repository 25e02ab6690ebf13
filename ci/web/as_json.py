"""Builds, agents and errors as the JSON API shows them: every field always, absent = null."""

from __future__ import annotations

import json
from typing import Any

from quart import Response

from ci.model import Attempt
from ci.news import NewLine
from ci.plainlines import plain
from ci.repository import shown_url
from ci.server.views import AgentUse, AgentView, BuildView, Health, Judgement, Refusal, WhyRed
from ci.web.words import iso


def answer(content: Any, status: int = 200) -> Response:
    """Make an answer of something that is only dicts, lists, strings, numbers and None."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A name in a git history may hold halves of characters that UTF-8 can't spell.
    response = Response(body.encode("utf-8", "replace"), status, content_type="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def error(message: str, field: str | None) -> dict[str, Any]:
    """Show what was wrong with a request."""
    return {"error": {"field": field, "message": message}}


def build(view: BuildView) -> dict[str, Any]:
    """Show a build with its attempts."""
    build = view.build
    return {
        "number": build.number,
        "repository": shown_url(build.repository),
        "commit": build.commit,
        "commit_hash": build.commit_hash,
        "subject": build.subject,
        "author": build.author,
        "branch": build.branch,
        "command": build.command,
        "priority": build.priority,
        "labels": list(build.labels),
        "asked_by": build.asked_by or None,
        "status": build.status,
        "reason": build.reason,
        "message": build.message or None,
        "created_at": iso(build.created_at),
        "started_at": iso(build.started_at),
        "finished_at": iso(build.finished_at),
        "duration_s": build.duration_s,
        "agent": build.agent,
        "exit_code": build.exit_code,
        "log_size": build.log_size,
        "attempts": [attempt(one) for one in view.attempts],
        "queue_position": view.queue_position,
        "waiting_for": view.waiting_for,
        "starts_in_s": view.starts_in_s,
        "phase": view.phase,
    }


def attempt(attempt: Attempt) -> dict[str, Any]:
    """Show an attempt."""
    return {
        "id": attempt.id,
        "agent": attempt.agent,
        "status": attempt.status,
        "reason": attempt.reason,
        "message": attempt.message or None,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "duration_s": attempt.duration_s,
        "checkout_s": attempt.checkout_s,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "log_size": attempt.log_size,
        "log_cut": attempt.log_cut,
    }


def why_red(why: WhyRed) -> dict[str, Any]:
    """Show what is new in the log of a build, or why that can't be told."""
    found = why.found
    return {
        "number": why.view.build.number,
        "problem": why.problem or None,
        "green": None if why.green is None else why.green.build.number,
        "same_branch": None if why.green is None else why.same_branch,
        "news": None
        if found is None
        else {
            "lines": found.news.lines,
            "green_lines": found.news.other_lines,
            "new": found.news.new,
            "errors": found.news.errors,
            "last_line": None if found.news.last is None else found.news.last.number,
            "little_in_common": found.news.is_strange,
            "runs": [[_new_line(line) for line in run] for run in found.news.runs],
            "hidden": found.news.hidden,
            "missing": found.news.missing,
            "missing_lines": [
                {"line": line.number, "text": _shown(line.text)} for line in found.missing
            ],
            "only_numbers_found": found.changed_kinds,
            "only_numbers": [
                {
                    "line": line.number,
                    "text": _shown(line.text),
                    "green_line": other.number,
                    "green_text": _shown(other.text),
                }
                for line, other in found.changed
            ],
            "left_out": found.left_out,
            "green_left_out": found.green_left_out,
            "too_many_kinds": found.news.is_full,
        },
    }


def _new_line(line: NewLine) -> dict[str, Any]:
    return {
        "line": line.number,
        "text": _shown(line.text),
        "new": line.is_new,
        "error": line.is_error,
        "usual": line.is_usual,
        "alike": line.alike,
    }


def _shown(text: bytes) -> str:
    return plain([text])[0].decode("utf-8", "replace")


def agent(view: AgentView, use: AgentUse) -> dict[str, Any]:
    """Show an agent with what it runs, and how busy it was."""
    agent = view.agent
    return {
        "name": agent.name,
        "state": view.state,
        "takes_work": view.takes_work,
        "host": agent.host,
        "port": agent.port,
        "tls": bool(agent.certificate),
        "standing": agent.standing,
        "slots": agent.slots,
        "labels": list(agent.labels),
        "version": agent.version or None,
        "first_seen": iso(agent.first_seen),
        "last_heard": iso(view.last_heard),
        "running": [{"id": one.id, "build": one.build} for one in view.running],
        "ended_24h": use.ended,
        "use_24h": [round(share, 3) for share in use.shares],
        "load": view.load,
        "disk_free": view.disk_free,
        "problem": view.problem or None,
        "pause_note": agent.pause_note or None,
        "refused": _refusal(view.refused),
        "commands": _list(view.commands),
        "repositories": _list(view.repositories),
        "sandbox": view.sandbox or None,
    }


def judgement(one: Judgement, *, asked: bool) -> dict[str, Any]:
    """Show the rules of the server or of an agent, and what they say of what was `asked` about."""
    return {
        "agent": one.agent,
        "commands": _list(one.commands),
        "repositories": _list(one.repositories),
        "why": one.why or None,
        "allowed": not one.problem if asked and one.commands is not None else None,
        "problem": one.problem or None,
        "words": _list(one.words),
    }


def _list(items: tuple[str, ...] | None) -> list[str] | None:
    return None if items is None else list(items)


def _refusal(refused: Refusal | None) -> dict[str, Any] | None:
    if refused is None:
        return None
    return {"build": refused.build, "why": refused.why, "at": iso(refused.at)}


def health(health: Health) -> dict[str, Any]:
    """Show whether the server can take and run builds."""
    return {
        "ok": health.ok,
        "problems": list(health.problems),
        "agents_online": health.agents_online,
        "agents_lost": health.agents_lost,
        "builds_waiting": health.builds_waiting,
        "max_builds_waiting": health.max_builds_waiting,
        "builds_running": health.builds_running,
        "oldest_waiting_s": health.oldest_waiting_s,
        "store_write_s": health.store_write_s,
        "version": health.version,
    }
