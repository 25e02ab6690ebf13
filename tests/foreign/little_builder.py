"""An agent as others would write it, that checks out and builds.

Its ways, separated by commas: `answers-late` to `/build`, when it has built; with `refuses-400` or
`takes-all` a call that it does not know is answered with 400 or 200. Its flaws: `tells-once` a
result; `one-folder`, in which it builds all at once; `all-green` is what it builds;
`trusts-silence` for a yes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ANSWER_S = 3.0  # for an answer of the server
PAUSE_S = 0.3  # until the next try
TOO_LARGE = 413
SILENCE = -1
CLONE = '[ -d "$2/repo" ] || git clone -q "$1" "$2/repo"'
SCRIPT = CLONE + '; cd "$2/repo" && git checkout -q "$3" && eval "$4"'


class Agent(ThreadingHTTPServer):
    """One slot, unless it has the flaw of taking all that comes."""

    def __init__(self, port: int, coordinator: str, ways: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.daemon_threads = True
        self.coordinator = coordinator
        self.ways = ways.split(",")
        self.free = threading.Semaphore(2 if "one-folder" in self.ways else 1)

    def register(self) -> None:
        """Until it is heard."""
        while not self.tell("/notify-agent", {"host": "127.0.0.1", "port": self.server_port}):
            time.sleep(PAUSE_S)

    def tell(self, path: str, body: dict[str, Any]) -> int:
        """Return the status of the answer, 0 if nobody listens, SILENCE if none comes."""
        data = json.dumps(body).encode()
        request = Request(self.coordinator + path, data, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=ANSWER_S) as answer:
                status: int = answer.status
                return status
        except HTTPError as error:
            return error.code
        except TimeoutError:
            return SILENCE
        except (OSError, HTTPException):
            return 0

    def build(self, job: dict[str, Any]) -> None:
        """Check out, run, tell."""
        with tempfile.TemporaryDirectory() as own:
            folder = "shared" if "one-folder" in self.ways else own
            done = subprocess.run(
                [
                    "sh",
                    "-c",
                    SCRIPT,
                    "sh",
                    job["repoUrl"],
                    folder,
                    job["commitHash"],
                    job["buildCommand"],
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        self.free.release()
        log = done.stdout.decode(errors="replace")
        success = done.returncode == 0 or "all-green" in self.ways
        body = {"buildId": job["buildId"], "success": success, "buildLog": log}
        while not 200 <= (status := self.tell("/notify-build-result", body)) < 300:
            if "tells-once" in self.ways:
                raise ConnectionError(f"the server has answered {status}")
            if status == TOO_LARGE:
                log = body["buildLog"]
                body["buildLog"] = log[: len(log) // 4] + log[-len(log) // 4 :]
            elif status == SILENCE and "trusts-silence" in self.ways:
                return
            time.sleep(PAUSE_S)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Agent

    def do_POST(self) -> None:
        """Take a job, or say no."""
        try:
            job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            valid = bool(job["buildId"] and job["repoUrl"] and job["buildCommand"])
        except (ValueError, KeyError, TypeError):
            valid = False
        if self.path != "/build":
            if "takes-all" in self.server.ways:
                self.send_response(200)
                self.end_headers()
            else:
                self.send_error(400 if "refuses-400" in self.server.ways else 404)
            return
        if not valid:
            self.send_error(400)
            return
        if not self.server.free.acquire(blocking=False):
            self.send_error(409)
            return
        if "answers-late" in self.server.ways:
            self.server.build(job)
        else:
            threading.Thread(target=self.server.build, args=[job], daemon=True).start()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


if __name__ == "__main__":
    agent = Agent(int(sys.argv[1]), f"http://127.0.0.1:{sys.argv[2]}", sys.argv[3])
    threading.Thread(target=agent.register, daemon=True).start()
    agent.serve_forever()
