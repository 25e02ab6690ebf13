"""What the core says, as the JSON API answers it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quart import Response

from ci import model
from ci import news as found_news
from ci.answers.agents import Agent, Held, Refusal
from ci.answers.builds import Attempt, Build, External
from ci.answers.news import Line, NewLine, News, OtherNumbers, WhyRed
from ci.answers.secrets import Secret
from ci.answers.server import Error, Health, Judgement, Problem
from ci.answers.writing import to_json
from ci.plainlines import plain
from ci.repository import shown_url
from ci.server import views


def answer(content: Any, status: int = 200) -> Response:
    """Make an answer of something that JSON has, or of an answer of the API."""
    # A name in a git history may hold halves of characters that UTF-8 can't spell.
    body = to_json(content).encode("utf-8", "replace")
    response = Response(body, status, content_type="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def error(message: str, field: str | None) -> Error:
    """Show what was wrong with a request."""
    return Error(Problem(field, message))


def build(view: views.BuildView) -> Build:
    """Show a build with its attempts."""
    build = view.build
    return Build(
        number=build.number,
        repository=shown_url(build.repository),
        commit=build.commit,
        commit_hash=build.commit_hash,
        subject=build.subject,
        author=build.author,
        branch=build.branch,
        command=build.command,
        priority=build.priority,
        labels=build.labels,
        asked_by=build.asked_by or None,
        status=build.status,
        reason=build.reason,
        message=build.message or None,
        created_at=build.created_at,
        started_at=build.started_at,
        finished_at=build.finished_at,
        duration_s=build.duration_s,
        agent=build.agent,
        exit_code=build.exit_code,
        log_size=build.log_size,
        attempts=tuple(attempt(one) for one in view.attempts),
        queue_position=view.queue_position,
        waiting_for=view.waiting_for,
        starts_in_s=view.starts_in_s,
        phase=view.phase,
        external=None if view.external is None else external(view.external),
    )


def external(view: views.ExternalView) -> External:
    """Show where a build came from."""
    origin = view.origin
    return External(
        id=origin.id,
        configuration=origin.configuration,
        number=origin.number,
        commit_message=origin.message,
        branch=origin.branch,
        author=origin.author,
        told=view.is_told,
        report=view.report,
    )


def attempt(attempt: model.Attempt) -> Attempt:
    """Show an attempt."""
    return Attempt(
        id=attempt.id,
        agent=attempt.agent,
        status=attempt.status,
        reason=attempt.reason,
        message=attempt.message or None,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        duration_s=attempt.duration_s,
        checkout_s=attempt.checkout_s,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        log_size=attempt.log_size,
        log_cut=attempt.log_cut,
        log_open=attempt.log_open,
        secrets=attempt.secrets or None,
    )


def secret(kept: views.KeptSecret, last_used: datetime | None, *, lost: bool) -> Secret:
    """Show a secret, without its value."""
    return Secret(
        repository=kept.repository,
        name=kept.name,
        branches=kept.branches,
        commands=kept.commands,
        set_at=kept.set_at,
        set_by=kept.set_by or None,
        last_used=last_used,
        lost=lost,
    )


def why_red(why: views.WhyRed) -> WhyRed:
    """Show what is new in the log of a build, or why that can't be told."""
    return WhyRed(
        number=why.view.build.number,
        problem=why.problem or None,
        green=None if why.green is None else why.green.build.number,
        same_branch=None if why.green is None else why.same_branch,
        news=None if why.found is None else _news(why.found),
    )


def _news(found: views.LogNews) -> News:
    news = found.news
    return News(
        lines=news.lines,
        green_lines=news.other_lines,
        new=news.new,
        errors=news.errors,
        last_line=None if news.last is None else news.last.number,
        little_in_common=news.is_strange,
        runs=tuple(tuple(_new_line(line) for line in run) for run in news.runs),
        hidden=news.hidden,
        missing=news.missing,
        missing_lines=tuple(Line(line.number, _shown(line.text)) for line in found.missing),
        only_numbers_found=found.changed_kinds,
        only_numbers=tuple(
            OtherNumbers(line.number, _shown(line.text), other.number, _shown(other.text))
            for line, other in found.changed
        ),
        left_out=found.left_out,
        green_left_out=found.green_left_out,
        too_many_kinds=news.is_full,
    )


def _new_line(line: found_news.NewLine) -> NewLine:
    return NewLine(
        line=line.number,
        text=_shown(line.text),
        new=line.is_new,
        error=line.is_error,
        usual=line.is_usual,
        alike=line.alike,
    )


def _shown(text: bytes) -> str:
    return plain([text])[0].decode("utf-8", "replace")


def agent(view: views.AgentView, use: views.AgentUse) -> Agent:
    """Show an agent with what it runs, and how busy it was."""
    agent = view.agent
    refused = view.refused
    return Agent(
        name=agent.name,
        state=view.state,
        takes_work=view.takes_work,
        host=agent.host,
        port=agent.port,
        tls=bool(agent.certificate),
        standing=agent.standing,
        slots=agent.slots,
        labels=agent.labels,
        version=agent.version or None,
        first_seen=agent.first_seen,
        last_heard=view.last_heard,
        running=tuple(Held(one.id, one.build) for one in view.running),
        ended_24h=use.ended,
        use_24h=tuple(round(share, 3) for share in use.shares),
        load=view.load,
        disk_free=view.disk_free,
        problem=view.problem or None,
        pause_note=agent.pause_note or None,
        refused=None if refused is None else Refusal(refused.build, refused.why, refused.at),
        commands=view.commands,
        repositories=view.repositories,
        sandbox=view.sandbox or None,
    )


def judgement(one: views.Judgement, *, asked: bool) -> Judgement:
    """Show the rules of the server or of an agent, and what they say of what was `asked` about."""
    return Judgement(
        agent=one.agent,
        commands=one.commands,
        repositories=one.repositories,
        why=one.why or None,
        allowed=not one.problem if asked and one.commands is not None else None,
        problem=one.problem or None,
        words=one.words,
    )


def health(health: views.Health) -> Health:
    """Show whether the server can take and run builds."""
    return Health(
        ok=health.ok,
        problems=health.problems,
        agents_online=health.agents_online,
        agents_lost=health.agents_lost,
        builds_waiting=health.builds_waiting,
        max_builds_waiting=health.max_builds_waiting,
        builds_running=health.builds_running,
        oldest_waiting_s=health.oldest_waiting_s,
        store_write_s=health.store_write_s,
        version=health.version,
    )
