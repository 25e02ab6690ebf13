"""The command `ci` against a real server and agent."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.real.accounts import make_token
from tests.real.cli import Cli, words_of
from tests.real.harness import Server, Site, held, wait_until
from tests.real.repository import Repository
from tests.real.secure import make_secure


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server with one agent."""
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    return server


@pytest.fixture
def ci(site: Site, server: Server, repository: Repository) -> Cli:
    """The command in the work tree of the server's repository."""
    return Cli(site, repository.path, CI_SERVER=server.url)


def test_a_build_is_asked_for_and_waited_for(ci: Cli, server: Server) -> None:
    """Of the commit that is checked out; the log is the output, the exit code the command's."""
    done = ci("run", "--wait", "--", "sh", "-c", "echo 'a  b'; exit 3")
    assert (done.code, done.out) == (3, "a  b\n")
    assert f"{server.url}/build/1" in done.err
    assert "#1 failure · exit code 3" in done.err
    build = server.build(1)
    assert build["commit"] == build["commit_hash"]
    assert build["command"] == "sh -c 'echo '\"'\"'a  b'\"'\"'; exit 3'"


def test_without_waiting_the_number_is_told(ci: Cli, server: Server) -> None:
    """First in the line, for scripts; one word is a shell's text as it stands."""
    done = ci("run", "-c", "main", "-l", "none-has-it", "--priority", "7", "true && true")
    assert (done.code, done.out) == (0, f"1 {server.url}/build/1\n")
    build = server.build(1)
    assert (build["commit"], build["command"]) == ("main", "true && true")
    assert (build["labels"], build["priority"]) == (["none-has-it"], 7)
    done = ci("cancel", "#1")
    assert (done.code, done.out.partition(" · ")[0]) == (0, "#1 canceled")
    assert ci("log", "--follow", "--exit-code", "1").code == 123


def test_builds_and_agents_are_listed(ci: Cli) -> None:
    """For people in columns, for programs in JSON, one object a line."""
    assert ci("run", "--wait", "--quiet", "--", "true").code == 0
    assert ci("run", "--wait", "--quiet", "--", "false").code == 1
    lines = ci("list").out.splitlines()
    assert [line.split()[:2] for line in lines] == [["#2", "failure"], ["#1", "success"]]
    found = [json.loads(line) for line in ci("list", "--json").out.splitlines()]
    assert [build["number"] for build in found] == [2, 1]
    [line] = ci("list", "--status", "success", "-n", "5").out.splitlines()
    assert line.split()[:2] == ["#1", "success"]
    assert "exit code   1" in ci("show", "2").out
    assert json.loads(ci("show", "2", "--json").out) == found[0]
    assert ci("agents").out.startswith("agent  online  0/1  nothing")
    [agent] = map(json.loads, ci("agents", "--json").out.splitlines())
    assert agent["name"] == "agent"


def test_json_of_a_build_that_is_followed(ci: Cli) -> None:
    """Each change and each piece of log is a line, the end is the last one."""
    done = ci("run", "--wait", "--json", "--", "printf 'hello\\nworld'; exit 4")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 4
    text = "".join(event["text"] for event in events if event["event"] == "log")
    assert text == "hello\nworld"
    assert events[-1]["event"] == "build"
    assert (events[-1]["build"]["status"], events[-1]["build"]["exit_code"]) == ("failure", 4)
    [event] = [json.loads(line) for line in ci("log", "1", "--json").out.splitlines()]
    assert event == {
        "event": "log", "attempt": "1.1.1", "offset": 0, "size": 11, "text": "hello\nworld",
    }  # fmt: skip


def test_a_log_is_followed_byte_by_byte(ci: Cli, server: Server, tmp_path: Path) -> None:
    """In a pipe nothing of it is changed, and nothing else is written."""
    number = server.submit(f"printf '\\033]0;x\\007\\377'; {held(tmp_path / 'go')}; printf end")
    server.wait_log(number, b"\xff")
    with subprocess.Popen(
        words_of(["log", "-f", str(number)]),
        cwd=ci.folder,
        env=ci.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"\x1b]0;x\x07"
        (tmp_path / "go").touch()
        assert process.stdout.read() == b"\xffend"
        assert process.stderr.read() == b""
        assert process.wait() == 0
    assert server.log_of(number) == b"\x1b]0;x\x07\xffend"


def test_a_terminal_shows_what_goes_on(ci: Cli, tmp_path: Path) -> None:
    """One line that is drawn anew, the log with its colours alone, the verdict."""
    command = f"printf '\\033[31mred\\033[0m\\033]0;x\\007\\n'; {held(tmp_path / 'go')}; exit 5"
    terminal = ci.open("run", "--wait", "--", command)
    terminal.wait_shown("\x1b[31mred\x1b[0m\r\n")
    terminal.wait_shown("\r\x1b[2K#1 running on agent")
    (tmp_path / "go").touch()
    assert terminal.wait_end() == 5
    assert terminal.shown.endswith("\x1b[0m\r\n")
    assert "#1 failure · exit code 5" in terminal.shown.splitlines()[-1]
    assert "\x1b]0" not in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_leaves_the_build_alone(
    ci: Cli, server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    """And is told how to end it."""
    terminal = ci.open("run", "--wait", "--", f"echo begun; {held(tmp_path / 'go')}")
    terminal.wait_shown("begun")
    terminal.process.send_signal(number)
    assert terminal.wait_end() == 130
    assert "build 1 goes on; to end it: ci cancel 1" in terminal.shown
    assert server.build(1)["status"] == "running"
    (tmp_path / "go").touch()
    assert server.wait_build(1)["status"] == "success"


def test_who_interrupts_may_want_the_build_to_end(ci: Cli, server: Server, tmp_path: Path) -> None:
    """When that was said before."""
    terminal = ci.open("run", "--wait", "--cancel", "--", f"echo begun; {held(tmp_path / 'go')}")
    terminal.wait_shown("begun")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.wait_end() == 130
    assert server.wait_build(1)["status"] == "canceled"


def test_following_survives_a_restart_of_the_server(
    ci: Cli, server: Server, tmp_path: Path
) -> None:
    """It says so, once, and brings the verdict."""
    command = words_of(["run", "--wait", "--", f"echo one; {held(tmp_path / 'go')}; echo two"])
    with subprocess.Popen(
        command, cwd=ci.folder, env=ci.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"one\n"
        server.kill()
        while b"can't be reached" not in process.stderr.readline():
            pass
        server.start()
        (tmp_path / "go").touch()
        assert process.stdout.read() == b"two\n"
        said = process.stderr.read()
        assert said.count(b"the server answers again") == 1
        assert b"can't be reached" not in said
        assert process.wait() == 0


def test_a_token_is_kept_by_login_and_shown(
    site: Site, server: Server, repository: Repository
) -> None:
    """Without one, or with a wrong one, it is said what to do; nothing is kept then."""
    token = make_token(server)
    ci = Cli(site, repository.path)
    kept = site.folder / ".config" / "nursery-ci" / "client.json"
    done = ci("--version")
    assert (done.code, done.err) == (0, "")
    done = ci("run", "--server", server.url, "--", "true")
    assert done.code == 122
    assert "needs the role runner" in done.err
    assert "Give a token by ci login or CI_TOKEN" in done.err
    done = ci("login", "--server", server.url, said="nci_wrong\n")
    assert done.code == 122
    assert not kept.exists()
    done = ci("login", "--server", server.url, said=f"{token}\n")
    assert (done.code, done.err) == (0, "")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert ci("run", "--wait", "--", "true").code == 0
    assert ci("agents").code == 0


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["show", "99"], 122, "ci: there is no build 99\n"),
        (["show", "x"], 2, "'x' is no number of a build."),
        (
            ["list", "--server", "http://127.0.0.1:1"],
            122,
            "can't reach the server at http://127.0.0.1:1: ",
        ),
        (["list", "--server", "nowhere"], 2, "ci: --server: server = 'nowhere': must be"),
        (["run", "-r", "x", "true"], 122, "ci: repository: 'x' is not configured; known: "),
        (["run", "-r", "x", "true"], 122, "; say which by --repository\n"),
        (["run"], 2, "Missing argument 'COMMAND...'"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(
    ci: Cli, command: list[str], code: int, words: str
) -> None:
    """To the error output, without a traceback."""
    done = ci(*command)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err


def test_who_reads_no_more_is_no_trouble(ci: Cli) -> None:
    """A pipe whose reader has gone ends it without a word."""
    assert ci("run", "--wait", "--quiet", "--", "seq 100000").code == 0
    with subprocess.Popen(
        words_of(["log", "1"]),
        cwd=ci.folder,
        env=ci.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"1\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.parametrize("command", [["list"], ["log", "1"], ["show", "--json", "1"], ["--help"]])
def test_a_full_disk_is_told_as_that(ci: Cli, command: list[str]) -> None:
    """It is no mistake of the program."""
    assert ci("run", "--wait", "--quiet", "--", "echo something").code == 0
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            words_of(command),
            cwd=ci.folder,
            env=ci.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 74
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(ci: Cli, shell: str) -> None:
    """By what is printed for it, which asks the program itself."""
    assert "_CI_COMPLETE" in ci("completion", shell).out


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ci lo", "local log login"),
        ("ci list --sta", "--status"),
        ("ci list --status su", "success"),
    ],
)
def test_a_real_shell_completes(ci: Cli, tmp_path: Path, typed: str, found: str) -> None:
    """With what its user puts into his settings."""
    program = tmp_path / "ci"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words_of([]))} "$@"\n')
    program.chmod(0o755)
    words = shlex.split(typed)
    script = (
        'eval "$(ci completion bash)"; '
        f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _ci_completion ci {words[-1]}; "
        'echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=Path(__file__).parent.parent.parent,
        env=ci.environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == found.split()


def test_what_is_not_in_the_build_is_told(ci: Cli, server: Server, repository: Repository) -> None:
    """What is not committed, and what no remote has; the build is asked for all the same."""
    (repository.path / "README.md").write_text("changed")
    done = ci("run", "--", "true")
    assert "1 file is changed and not committed" in done.err
    elsewhere = Repository(repository.path.parent / "elsewhere")
    elsewhere.git("remote", "add", "origin", str(repository.path))
    elsewhere.commit({"new": "x"}, "Not pushed")
    ci.folder = elsewhere.path
    done = ci("run", "--", "true")
    assert "is on no branch of a remote" in done.err
    assert done.code == 0
    assert server.build(2)["repository"] == server.build(1)["repository"]
    wait_until(lambda: server.build(2)["status"], "its end", until=lambda status: status == "error")


def test_a_server_that_speaks_tls_is_believed_by_its_certificate(
    site: Site, repository: Repository, tmp_path: Path
) -> None:
    """By its own and no other; without one, by whom the system trusts, which is nobody here."""
    own, other = make_secure(tmp_path), make_secure(tmp_path, "other")
    server = site.server(repository.path, certificate=own.certificate, certificate_key=own.key)
    server.start()
    ci = Cli(site, repository.path, CI_SERVER=server.url)
    assert ci("login", "--certificate", str(own.certificate)).code == 0
    assert ci("run", "--", "true").code == 0
    for words in ([], ["--certificate", str(other.certificate)]):
        done = Cli(site, repository.path, XDG_CONFIG_HOME=str(tmp_path))(
            "list", "--server", server.url, *words
        )
        assert done.code == 122
        assert "its certificate is not one that is believed here" in done.err
