"""Why red: what a build that went wrong printed that the last green build like it did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ci.model import Reason, Status
from ci.server.comparison import Comparisons
from ci.server.logs import Logs
from ci.server.logsearch import whole_line
from ci.server.store.store import Store
from ci.server.views import BuildView, Headline, WhyRed

TRIED: Final = 5  # green builds: when so many have no log any more, the older ones have none either

_NOTHING_TO_EXPLAIN: Final = {
    Status.WAITING: "It has not run yet.",
    Status.RUNNING: "It still runs.",
    Status.SUCCESS: "It is green.",
    Status.CANCELED: "It was canceled, so it did not say how it would have ended.",
}
# What is in the log of such a build is not of its command.
_NEVER_RAN: Final = (Reason.CHECKOUT_FAILED, Reason.COMMAND_REFUSED)
# Of such a build it is news, too, that it has printed nothing: the green log says where it hung.
_RAN: Final = (Reason.EXITED, Reason.TIMEOUT, Reason.SILENCE)


class Explainer:
    """Finds the green build to compare with, and compares."""

    def __init__(self, store: Store, logs: Logs) -> None:
        self._store = store
        self._logs = logs
        self._comparisons = Comparisons(logs)

    async def explain(self, view: BuildView) -> WhyRed:
        """Say why a build may have failed.

        Cancellation: at each slice of a log; the next one who asks goes on from there.
        """
        return await self.compare(await self.choose(view))

    async def compare(self, why: WhyRed) -> WhyRed:
        """Compare with the build that was chosen, if one was. Cancellation: the same."""
        logs = _logs(why)
        if logs is None:
            return why
        return replace(why, found=await self._comparisons.compare(*logs))

    def so_far(self, why: WhyRed) -> WhyRed:
        """Say how far the comparison with the build that was chosen is."""
        logs = _logs(why)
        return why if logs is None else replace(why, looked_at=self._comparisons.looked_at(*logs))

    async def choose(self, view: BuildView) -> WhyRed:
        """Say which green build to compare with, or why there is none."""
        status = view.build.status
        if status in _NOTHING_TO_EXPLAIN:
            return WhyRed(view, problem=_NOTHING_TO_EXPLAIN[status])
        if problem := self._problem(view):
            return WhyRed(view, problem=problem)
        of_branch, of_any = await self._store.greens(view.build)
        candidates = list(dict.fromkeys([*of_branch, *of_any]))[:TRIED]
        whole = await self._store.whole(candidates)
        for number in candidates:
            build, attempts = whole.get(number, (None, ()))
            if build is None or not attempts:
                continue  # it has been removed just now
            green = BuildView(build, tuple(attempts))
            if not self._has_log(green):
                continue
            why = WhyRed(view, green, number in of_branch, newest=number == candidates[0])
            if self._is_silent(view) and self._is_silent(green):
                return replace(why, problem=f"It has printed nothing, and nor had #{number}.")
            return why
        if not candidates:
            words = "No earlier build of this repository with the same command was green"
            return WhyRed(view, problem=f"{words}: there is nothing to compare with.")
        builds = " ".join(f"#{number}" for number in candidates)
        words = "builds like it have no" if len(candidates) > 1 else "build like it has no"
        return WhyRed(view, problem=f"The last green {words} log any more: {builds}.")

    async def headline(self, why: WhyRed) -> Headline | None:
        """Return the line that says most, where that is quickly told; None: nobody has compared."""
        logs = _logs(why)
        if logs is None or not self._comparisons.is_quick(*logs):
            return None
        news = (await self._comparisons.compare(*logs)).news
        line = news.first_error or news.last
        hit = None if line is None else whole_line(line.number, line.text)
        return Headline(hit, is_error=news.first_error is not None)

    def _problem(self, view: BuildView) -> str | None:
        """Say why the log of a build that went wrong can't be compared, or None."""
        reason = view.build.reason
        if not view.attempts:
            return "It ended before an agent took it."
        if reason in _NEVER_RAN:
            return "Its command never ran, so there is nothing to compare."
        if not self._has_log(view):
            return "It has no log any more."
        if reason not in _RAN and self._is_silent(view):
            return "It has printed nothing, so there is nothing to compare."
        return None

    def _has_log(self, view: BuildView) -> bool:
        """Whether all that it has printed is there; of some builds that is nothing."""
        return not (view.attempts and view.attempts[-1].log_size and self._is_silent(view))

    def _is_silent(self, view: BuildView) -> bool:
        return not (view.attempts and self._logs.size(view.attempts[-1].id))


def _logs(why: WhyRed) -> tuple[str, str] | None:
    """Name the attempts whose logs are compared; None where nothing is."""
    if why.problem or why.green is None:
        return None
    return why.view.attempts[-1].id, why.green.attempts[-1].id
