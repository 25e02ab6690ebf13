"""Seccomp: the calls of the system that a build in the sandbox does not have. Pure.

The kernel's keyrings know nothing of sandboxes: a build would find the keys of whoever started the
agent, such as those of a log-in with Kerberos, and could leave some for the next build.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Final, NamedTuple


class _Calls(NamedTuple):
    """Where the three calls are: add_key, request_key and keyctl have numbers in a row."""

    kind: int  # of machine, as <linux/audit.h> names it
    first: int


_I386: Final = _Calls(0x40000003, 286)
_X86_64: Final = _Calls(0xC000003E, 248)
_ARM: Final = _Calls(0x40000028, 309)
_AARCH64: Final = _Calls(0xC00000B7, 217)
# By each machine: its own programs, and the older ones that it runs as well.
_MACHINES: Final = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64, _ARM)}
_COUNT: Final = 3

# Classic BPF, as <linux/bpf_common.h> has it. A jump says how many instructions are left out.
_LOAD: Final = 0x20
_AND: Final = 0x54
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_NUMBER: Final = 0  # where in what is judged the number of the call is
_KIND: Final = 4  # and the kind of machine
_NO_X32: Final = 0xBFFFFFFF  # on x86-64 a bit asks for pointers of 32 bits, by the same numbers
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.ENOSYS  # as a kernel without keyrings does


def no_keyrings() -> bytes:
    """Return the filter as bubblewrap reads it; empty for other kinds of machines."""
    calls = _MACHINES.get(os.uname().machine)
    if calls is None:
        return b""
    words = [(_LOAD, 0, 0, _KIND)]
    for kind, first in calls:
        words += [
            (_IF_EQUAL, 0, 6, kind),
            (_LOAD, 0, 0, _NUMBER),
            (_AND, 0, 0, _NO_X32),
            (_IF_AT_LEAST, 1, 0, first + _COUNT),
            (_IF_AT_LEAST, 1, 0, first),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
        ]
    words.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("=HBBI", *word) for word in words)
