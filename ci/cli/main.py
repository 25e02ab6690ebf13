"""The command `ci` as a whole: its commands, and its edge, where every failure is one line."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from ci.cli import builds, codes, login, running
from ci.cli.options import ReaderGone
from ci.cli.screen import OutputLost
from ci.cli.words import plain
from ci.client import ApiRefused
from ci.errors import CIError, ConfigError, Unreachable
from ci.version import program_version

PROGRAM: Final = "ci"
DEBUG: Final = "CI_DEBUG"  # set it to see the traceback of a bug
_COMPLETION: Final = "_CI_COMPLETE"  # by which the shell asks us
_SHELLS: Final = ("bash", "zsh", "fish")
_SILENT: Final = (codes.BROKEN_PIPE, codes.NOT_WRITTEN)  # nothing more can be written after these
_NO_TOKEN: Final = (401, 403)
_KNOWN: Final = "; known: "  # before the names of a server's repositories, if it has any
_ADDRESS: Final = "--server, CI_SERVER, ci login"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(program_version(), prog_name="nursery-ci")
def commands() -> None:
    """Ask a nursery-ci server for builds, and follow them.

    The server and the token come from flags, from CI_SERVER and CI_TOKEN, or from the file that
    `ci login` writes.
    """


for command in (
    running.run_build,
    builds.show_log,
    builds.list_builds,
    builds.show_build,
    builds.cancel_build,
    builds.list_agents,
    running.run_here,
    login.log_in,
):
    commands.add_command(command)


@commands.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what completes words in a shell.

    \b
    bash:  eval "$(ci completion bash)"      in ~/.bashrc
    zsh:   eval "$(ci completion zsh)"       in ~/.zshrc
    fish:  ci completion fish | source       in ~/.config/fish/config.fish
    """  # noqa: D301 - the mark by which click leaves the lines as they are
    kind = get_completion_class(shell)
    assert kind is not None  # it is one of ours
    click.echo(kind(commands, {}, PROGRAM, _COMPLETION).source())


def main() -> int:
    """Run the command that was given; return the exit code. No traceback reaches a person."""
    with Path(os.devnull).open("w") as nowhere:
        # A shell can close them (`>&-`): what is written is for nobody then.
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        code = _run()
        try:
            if code not in _SILENT:
                sys.stdout.flush()
        except OSError as error:
            code = _lost(error)
        if code in _SILENT:  # nor may Python try again at the very end
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere.fileno(), stream.fileno())
    return code


def _run() -> int:
    code: int = codes.BROKEN
    try:
        code = commands.main(prog_name=PROGRAM, standalone_mode=False) or 0
    except* click.ClickException as group:
        error = _first(group)
        assert isinstance(error, click.ClickException)
        error.show()
        code = error.exit_code
    except* ConfigError as group:
        _say(_first(group))
        code = codes.WRONG_USAGE
    except* CIError as group:
        _say(_advice(_first(group)))
        code = codes.NOT_ASKED
    except* (KeyboardInterrupt, click.Abort):
        code = codes.INTERRUPTED
    except* (ReaderGone, SystemExit):  # click ends itself so when its own words find no reader
        code = codes.BROKEN_PIPE
    except* OSError as group:
        code = _lost(_first(group))
    except* Exception as group:
        if os.environ.get(DEBUG):
            raise
        _say(f"this is a mistake of ci itself: {_first(group)!r}; {DEBUG}=1 shows where it is")
    return code


def _lost(error: BaseException) -> int:
    """Say what can't be written, or read; return the exit code."""
    if isinstance(error, BrokenPipeError):
        return codes.BROKEN_PIPE
    _say(error if isinstance(error, OutputLost) else f"the system says no: {error}")
    return codes.NOT_WRITTEN


def _first(group: BaseExceptionGroup) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _advice(error: BaseException) -> str:
    """Say what to do as well, where that is known."""
    match error:
        case Unreachable():
            return f"can't reach the server at {error}; is the address right? {_ADDRESS}"
        case ApiRefused() if error.status in _NO_TOKEN:
            return f"{error}. Give a token by ci login or CI_TOKEN"
        case ApiRefused(field="repository") if _KNOWN in error.message:
            return f"{error}; say which by --repository"
    return str(error)


def _say(text: object) -> None:
    with suppress(OSError):  # then nobody is there to read it
        sys.stderr.write(f"{PROGRAM}: {plain(text)}\n")
