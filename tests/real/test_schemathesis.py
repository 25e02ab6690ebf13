"""A foreign program reads the API's document and tries whatever it allows, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tests.real.accounts import make_token
from tests.real.harness import Site
from tests.real.repository import Repository

EXAMPLES: Final = 10  # of each call, beside those at the edges of its document
SEED: Final = 1
# What a schema can't say, such as which repositories there are, is refused though it is as the
# schema says: with 422, which is documented.
LEFT_OUT: Final = "positive_data_acceptance"
RUN: Final = "from schemathesis.cli import schemathesis; schemathesis()"


def test_the_api_is_as_its_document_says(site: Site, repository: Repository) -> None:
    """No 5xx, no undocumented status, body or header, nothing without a token, no wrong data."""
    server = site.server(repository.path, agent_token="secret")
    server.start()
    site.agent(server, agent_token="secret").start()
    server.wait_agents(1)
    site.http.headers["Authorization"] = f"Bearer {make_token(server)}"
    server.wait_build(server.submit("echo hello; false"))
    server.submit("sleep 600")
    done = subprocess.run(
        [
            *(sys.executable, "-c", RUN, "run", f"{server.url}/api/openapi.json"),
            *("--header", f"Authorization: {site.http.headers['Authorization']}"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT),
            *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color"),
        ],
        cwd=site.folder,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.get("/healthz").json()["ok"]
