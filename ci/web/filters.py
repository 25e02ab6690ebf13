"""Filters of the list as addresses spell them: to set one more, take one away, turn pages.

Pure: the same filters give the same addresses, in the same order, so that they are made once for
all who look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ci.repository import shown_url
from ci.server.views import BuildFilter

# Parameter by field, in the order in which people narrow a list down.
PARAMETERS: Final = {
    "status": "status",
    "repository": "repository",
    "branch": "branch",
    "agent": "agent",
    "text": "q",
    "before": "before",
    "after": "after",
    "limit": "limit",
}
_PLACES: Final = ("before", "after")
_NO_FILTERS: Final = (*_PLACES, "limit")


_USUAL: Final = BuildFilter()


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set: what it is called, its value, and the address without it."""

    name: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is filtered by. `home` is the address of the list of all builds."""

    home: str
    wanted: BuildFilter

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that lead to the same list, at the same place."""
        given = ((field, getattr(self.wanted, field)) for field in PARAMETERS)
        return {
            PARAMETERS[field]: str(value)
            for field, value in given
            if value != getattr(_USUAL, field)
        }

    @property
    def query(self) -> str:
        """The same, as it stands in an address."""
        return urlencode(self.parameters)

    @property
    def lasting(self) -> dict[str, str]:
        """The filters alone: what is followed, not where somebody has got to."""
        return {name: value for name, value in self.parameters.items() if name not in _NO_FILTERS}

    @property
    def fixed(self) -> dict[str, str]:
        """The parameters that a search in the list keeps."""
        changed = ("repository", "q", *_PLACES)
        return {name: value for name, value in self.parameters.items() if name not in changed}

    @property
    def chips(self) -> tuple[Chip, ...]:
        """The filters that are set."""
        return tuple(
            Chip(
                "text" if name == "q" else name,
                shown_url(str(value)),
                self.address(**{field: None}),
            )
            for field, name in PARAMETERS.items()
            if field not in _NO_FILTERS and (value := getattr(self.wanted, field)) is not None
        )

    def address(self, **changed: str | int | None) -> str:
        """The list with some filters changed; at its newest builds unless that is changed, too."""
        wanted = replace(self.wanted, **{"before": None, "after": None, **changed})  # type: ignore[arg-type]
        query = Filters(self.home, wanted).query
        return f"{self.home}?{query}" if query else self.home


def known_part(query: str) -> str:
    """Keep of a query what is a filter: what a form brings back may be anything."""
    return urlencode([pair for pair in parse_qsl(query) if pair[0] in PARAMETERS.values()])
