"""What the builds of a torture run do: print, and keep a copy of what really was printed.

    python workload.py KIND TOKEN FOLDER

It lies in the repository that is built and imports nothing of this project. Its copy is
`FOLDER/ATTEMPT+TOKEN+PID.out`, so a command that is run twice leaves two; its exit code goes
into the `.end` file beside it. Every loop here ends by itself.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

NO_SPACE_EXIT = 74
FAILING_EXIT = 7
FOREVER_S = 600  # longer than any limit of the run
MEETING_S = 60.0  # until all slots have begun; the machine may be busy

kind, token, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
attempt = os.environ["CI_ATTEMPT"]
name = f"{attempt}+{token}+{os.getpid()}"
copy = os.open(folder / f"{name}.out", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)


def say(data: bytes) -> None:
    """Print, and copy exactly what the log has taken."""
    while data:
        try:
            taken = os.write(1, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            end(NO_SPACE_EXIT)
        os.write(copy, data[:taken])
        data = data[taken:]


def end(code: int) -> None:
    """Note the exit code, and end with it."""
    (folder / f"{name}.end").write_text(str(code))
    sys.exit(code)


def chat() -> None:
    """Tens of thousands of lines, some megabytes, in pieces of all sizes, not all of it UTF-8."""
    dice = random.Random(token)
    lines = b"".join(
        b"%d \x1b[3%dm%s\x1b[0m\xff\x00\r\n" % (n, n % 8, dice.randbytes(8).hex().encode() * 3)
        for n in range(dice.randrange(10_000, 40_000))
    )
    while lines:
        size = dice.randrange(1, 200_000)
        say(lines[:size])
        lines = lines[size:]
        time.sleep(0.02)


def fork() -> None:
    """Leave behind a child, a daemon in a session of its own, and one that minds no SIGTERM."""
    rest = f"sleep {FOREVER_S}; exit"
    # They keep the log open, as daemons do. A shell's "Terminated" would go into it, unnoted.
    _start(rest)
    _start(f"({rest}) & exit", alone=True)
    _start(f"trap '' TERM; {rest}", alone=True)
    say(b"forked %s\n" % token.encode())


def _start(script: str, *, alone: bool = False) -> None:
    subprocess.Popen(["sh", "-c", script], stderr=subprocess.DEVNULL, start_new_session=alone)


def meet() -> None:
    """Wait until as many builds run at once as the token says, so that each slot has one."""
    group, wanted = token.split(".")[0], int(token.split(".")[1])
    until = time.monotonic() + MEETING_S
    while len(list(folder.glob(f"*+{group}.*.out"))) < wanted:
        if time.monotonic() > until:
            end(FAILING_EXIT)
        say(b"waiting\n")  # who waits for the others is not silent
        time.sleep(0.2)
    say(b"all are here\n")


def main() -> None:
    """Do what the kind says."""
    say(f"{kind} {token}\n".encode())
    match kind:
        case "chatty":
            chat()
        case "steady":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is canceled prints on for a while
            for n in range(20):
                say(b"line %d\n" % n)
                time.sleep(0.4)
        case "silent":
            time.sleep(2)
            say(b"awake again\n")
        case "forking":
            fork()
        case "failing":
            end(FAILING_EXIT)
        case "endless":
            for n in range(FOREVER_S):
                say(b"%d\n" % n)
                time.sleep(1)
        case "mute":
            time.sleep(FOREVER_S)
        case "meeting":
            meet()
    end(0)


main()
