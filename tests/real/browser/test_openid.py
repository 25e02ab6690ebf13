"""Log-in by an OpenID provider that is a server of its own, in a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, expect

from tests.fakes.provider import CLIENT, SECRET, FakeProvider
from tests.real.harness import Site
from tests.real.repository import Repository


@contextmanager
def serve_provider() -> Iterator[FakeProvider]:
    """Put a socket in front of a provider."""
    provider = FakeProvider("http://127.0.0.1:0")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, answer = provider.answer(
                self.command, f"http://127.0.0.1{self.path}", body, headers
            )
            self.send_response(status)
            for name, value in (more | {"Content-Length": str(len(answer))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def test_somebody_of_the_organisation_logs_in(
    site: Site, repository: Repository, browser: Browser
) -> None:
    """With one click, to where they wanted to go; what they may do is said there."""
    with serve_provider() as provider, browser.new_context() as context:
        server = site.server(
            repository.path,
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            oidc_roles='{"admin": ["ci-admins"], "runner": ["dev"]}',
            public_url="http://127.0.0.1:1",
        )
        server.start()
        server.stop()
        server.flags["public-url"] = server.url  # known only now, and kept
        provider.back = f"{server.url}/login/openid/back"
        server.start()
        page = context.new_page()
        page.goto(f"{server.url}/account")
        page.get_by_role("link", name="Log in with your organisation's account").click()
        expect(page).to_have_url(f"{server.url}/account")
        expect(page.locator("h1")).to_have_text("ada")
        expect(page.locator(".phase")).to_have_text("runner")
        expect(page.get_by_label("Present one")).to_have_count(0)
        page.goto(server.url)
        expect(page.get_by_role("button", name="Run")).to_be_visible()

        provider.claims["groups"] = ["sales"]
        page.goto(f"{server.url}/login/openid")
        expect(page.get_by_role("alert")).to_contain_text("no group of yours has a role here")
        provider.issuer = "http://elsewhere.example"  # what it calls itself is asked again
        server.stop()
        server.start()
        page.goto(f"{server.url}/login/openid")
        expect(page.locator("h1")).to_have_text("Bad Gateway")
        expect(page.locator(".said")).to_contain_text("the log-in provider failed")
