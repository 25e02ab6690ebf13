"""Names that are commands to a shell stay names: to git, to the agent, and to the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.harness import Site
from tests.real.repository import Repository

# What git lets a branch be called; each would make a file if a shell read it.
NAMES = (
    "$(touch${IFS}ran)",
    "`touch${IFS}ran`",
    "x;touch${IFS}ran;'\"",
    "a|touch${IFS}ran&",
    "%s%n{0}{{x}}",
    "<b>&amp;",
)


@pytest.mark.parametrize("rules", ["any", '["env", "printf *"]'])
def test_a_branch_is_a_word(site: Site, repository: Repository, rules: str) -> None:
    """With a shell and without; its build's environment has it letter by letter."""
    for name in NAMES:
        repository.git("branch", name)
    server = site.server(repository.path, commands="any")
    server.start()
    site.agent(server, commands=rules).start()
    server.wait_agents(1)
    numbers = [server.submit("env", name) for name in NAMES]
    for name, number in zip(NAMES, numbers, strict=True):
        build = server.wait_build(number)
        assert (build["status"], build["branch"]) == ("success", name), build["message"]
        assert f"CI_BRANCH={name}" in server.log_of(number).decode().splitlines()
    assert not list(site.folder.rglob("ran*"))


def test_files_and_subjects_are_words(site: Site, repository: Repository, tmp_path: Path) -> None:
    """Those that a commit brings, and a submodule's path, which git gives to a shell."""
    names = ["$(touch ran)", "-rf", "; touch ran", "a\nb", "\x1b]0;t\x07"]
    inner = Repository(tmp_path / "repositories" / "inner")
    inner.commit({"x": "x"})
    repository.git("submodule", "--quiet", "add", "--name", "x", "../inner", "$(touch ran)'\"")
    subject = "$(touch ran) \x1b]0;title\x07\x9b31m`touch ran`\u202e"
    repository.commit({f"files/{name}": "x" for name in names}, subject)
    server = site.server(repository.path)
    server.start()
    site.agent(server).start()
    server.wait_agents(1)
    build = server.wait_build(server.submit("ls -A files | cat -v; ls '$(touch ran)'*"))
    assert build["status"] == "success", build["message"]
    assert build["subject"].replace("  ", " ").strip() == "$(touch ran) 31m`touch ran`"
    assert server.log_of(build["number"]).decode().splitlines()[-1] == "x"
    assert not list(site.folder.rglob("ran"))
    for program in site.programs:
        assert program.words.replace("\n", "").isprintable()
