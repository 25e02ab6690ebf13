"""Why red: what a build that went wrong printed that the last green build like it did not."""

from __future__ import annotations

from ci.model import Status
from ci.server.comparison import Comparisons
from ci.server.logs import Logs
from ci.server.store.store import Store
from ci.server.views import BuildView, WhyRed

_NOTHING_TO_EXPLAIN = {
    Status.WAITING: "It has not run yet.",
    Status.RUNNING: "It still runs.",
    Status.SUCCESS: "It is green.",
    Status.CANCELED: "It was canceled, so it did not say how it would have ended.",
}


class Explainer:
    """Finds the green build to compare with, and compares."""

    def __init__(self, store: Store, logs: Logs) -> None:
        self._store = store
        self._logs = logs
        self._comparisons = Comparisons(logs)

    async def explain(self, view: BuildView) -> WhyRed:
        """Say why a build may have failed. Cancellation: at each slice of a log."""
        status = view.build.status
        if status in _NOTHING_TO_EXPLAIN:
            return WhyRed(view, problem=_NOTHING_TO_EXPLAIN[status])
        if problem := self._problem_of_log(view):
            return WhyRed(view, problem=f"It {problem}.")
        near = await self._store.neighbours(view.build)
        green = await self._look_up(near.last_green or near.green_elsewhere)
        if green is None:
            words = "No earlier build of this repository with the same command was green"
            return WhyRed(view, problem=f"{words}: there is nothing to compare with.")
        same_branch = near.last_green is not None
        if problem := self._problem_of_log(green):
            number = green.build.number
            words = f"The last green build like it, #{number}, {problem}."
            return WhyRed(view, green, same_branch, problem=words)
        logs = view.attempts[-1].id, green.attempts[-1].id
        return WhyRed(view, green, same_branch, await self._comparisons.compare(*logs))

    async def _look_up(self, number: int | None) -> BuildView | None:
        """Return a build with its attempts, unless it has been removed just now."""
        if number is None:
            return None
        whole = await self._store.whole([number])
        if number not in whole:
            return None
        build, attempts = whole[number]
        return BuildView(build, tuple(attempts))

    def _problem_of_log(self, view: BuildView) -> str | None:
        """Say what is the matter with the log of a build that has ended, or None."""
        if not view.attempts:
            return "ended before an agent took it"
        last = view.attempts[-1]
        if self._logs.size(last.id):
            return None
        return "has printed nothing" if not last.log_size else "has no log any more"
