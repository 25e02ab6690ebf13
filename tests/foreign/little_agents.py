"""Agents as others write them: each of another generation, with the standard library alone.

They do not check anything out; what counts here is how they speak.
"""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

ANSWER_S = 60.0


def tell(url: str, body: dict[str, Any]) -> None:
    """Send JSON and wait for the answer."""
    data = json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=ANSWER_S) as it:
        it.read()


class LittleAgent(BaseHTTPRequestHandler):
    """One request; `server` is the program."""

    server: Any
    register_path = "/notify-agent"
    result_path = "/notify-build-result"

    @staticmethod
    def registration(port: int) -> dict[str, Any]:
        """Say where it is."""
        return {"host": "127.0.0.1", "port": port}

    @staticmethod
    def result(job: dict[str, Any], done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """Say how a build ended."""
        raise NotImplementedError

    def read_job(self) -> dict[str, Any]:
        """Read the body."""
        job: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append(job)
        return job

    def build(self, job: dict[str, Any]) -> None:
        """Run the command and tell the server."""
        command = job["buildCommand"]
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        tell(self.server.coordinator + self.result_path, self.result(job, done))

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class BuildsBeforeItAnswers(LittleAgent):
    """The older generation: one thread, underscores, an exit code as text, `stdout` and `stderr`.

    While it builds it answers nothing; it knows no other call than `/build`.
    """

    register_path = "/notify_agent"
    result_path = "/notify_build_result"
    program = HTTPServer

    def do_POST(self) -> None:
        """Build, tell, and only then answer, with a page."""
        self.build(self.read_job())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>done</html>")

    @staticmethod
    def result(job: dict[str, Any], done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """By the commit's older name as well."""
        assert job["hash"] == job["commitHash"]
        code = str(done.returncode)
        return {"id": job["id"], "status": code, "stdout": done.stdout, "stderr": done.stderr}


class TellsInBools(LittleAgent):
    """The newer one: `success`, `buildLog`, a port as text and no host, all read under `build`."""

    register_path = "/api/notify-agent"
    result_path = "/api/notify-build-result"
    program = ThreadingHTTPServer

    @staticmethod
    def registration(port: int) -> dict[str, Any]:
        """Let the server find out its address."""
        return {"port": str(port), "available": True}

    def do_GET(self) -> None:
        """Answer where one may look whether it lives."""
        self.send_response(200 if self.path == "/is-alive" else 404)
        self.end_headers()

    def do_POST(self) -> None:
        """Answer with nothing, then build."""
        job = self.read_job()["build"]
        threading.Thread(target=self.build, args=[job]).start()
        self.send_response(204)
        self.end_headers()

    @staticmethod
    def result(job: dict[str, Any], done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """Nested, as one of them does."""
        verdict = {"buildId": job["buildId"], "success": done.returncode == 0}
        return {"task": verdict, "buildLog": done.stdout + done.stderr, "duration": 3}


class HangsUp(TellsInBools):
    """Takes jobs, and closes every other connection without a word: nothing but an open port."""

    register_path = "/notify-agent"
    result_path = "/notify-agent-build"

    @staticmethod
    def registration(port: int) -> dict[str, Any]:
        """Give an address whole."""
        return {"url": f"http://127.0.0.1:{port}/", "agentId": 7}

    def do_GET(self) -> None:
        """Hang up."""
        self.close_connection = True

    @staticmethod
    def result(job: dict[str, Any], done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """In the words of the storage."""
        status = "Success" if done.returncode == 0 else "Fail"
        return {"build": {"id": job["id"]}, "status": status, "logs": done.stdout.splitlines()}


class OneRequestAConnection(TellsInBools):
    """Written by hand on sockets: it says HTTP/1.1, and drops a connection that is used again."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """Answer the first request; at the next one hang up without a word."""
        self.handle_one_request()
        with suppress(OSError):
            self.connection.recv(1)

    def do_GET(self) -> None:
        """Answer with an empty body."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @staticmethod
    def result(job: dict[str, Any], done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """Say the exit code and nothing else of the end."""
        return {"buildId": job["buildId"], "code": done.returncode, "output": done.stdout}
