"""How git is told a user name and password: by its own protocol for that, and in no argument.

All users of a machine can read the arguments of a process. Nor are they written into a mirror or a
workspace, where a build could read them.
"""

from __future__ import annotations

from typing import Final

from ci.repository import Login

_VARIABLE: Final = "CI_AGENT_GIT_LOGIN"  # of git's own processes; no build is given such a name
_HELPER: Final = f'!f() {{ printf "password=%s\\n" "${_VARIABLE}"; }}; f'


def login_environment(login: Login | None) -> dict[str, str]:
    """Return the variables that make git log in, at that one place and nowhere else."""
    if login is None:
        return {}
    settings = [(f"credential.{login.place}.username", login.user)]
    given = {}
    if login.password is not None:
        # The empty one first: nobody else's helper is asked for it, nor told to keep it.
        helper = f"credential.{login.place}.helper"
        settings += [(helper, ""), (helper, _HELPER)]
        given[_VARIABLE] = login.password
    for number, (name, value) in enumerate(settings):
        given |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return given | {"GIT_CONFIG_COUNT": str(len(settings))}
