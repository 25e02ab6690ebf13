"""BUILD_TOOLS: what is meant by build commands where nothing else is configured.

Each takes a few options that only say how to build, and plain names: of targets, tasks, packages,
relative paths. What would run something else than the repository says is left out: `make --eval`,
`make CC=…`, `go test -exec`, `npm exec`, `pytest --basetemp=/`, an absolute path, a `..`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_END: Final = "\0"  # of each word; no command has that letter
# A step of a plain name begins with no dash and is not `..`. A name begins with no slash, nor with
# `@`, behind which some tools look for a file of arguments.
_STEP: Final = r"(?!\.\.(?:/|\0))[A-Za-z0-9_.@+:,%][A-Za-z0-9_.@+:,%-]*"
_NAME: Final = rf"(?!@){_STEP}(?:/(?:{_STEP})?)*"


@dataclass(frozen=True)
class Tool:
    """One way to call a tool: its first words, options in any order, and maybe names."""

    words: str
    options: str = ""  # `-j#` has any number behind it
    names: bool = False  # whether plain names may follow, as many as one likes

    @property
    def shown(self) -> str:
        """How people read it."""
        options = "".join(f" [{option.replace('#', 'N')}]" for option in self.options.split())
        return f"{self.words}{options}{' [NAME …]' if self.names else ''}"

    def fits(self, words: Sequence[str]) -> bool:
        """Whether a command of these words is such a call."""
        return self._pattern.fullmatch("".join(word + _END for word in words)) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        start = "".join(re.escape(word) + _END for word in self.words.split())
        more = [re.escape(each).replace(r"\#", "[0-9]+") for each in self.options.split()]
        if self.names:
            more.append(_NAME)
        return re.compile(start + (f"(?:(?:{'|'.join(more)}){_END})*" if more else ""))


_MAKE: Final = "-j -j# -k -s -B -n --keep-going --silent --always-make"
_CARGO: Final = "--release --locked --offline --workspace --all-targets --all-features -v -q"
_GO: Final = "-v -race -cover -count=# -short"
_PYTEST: Final = "-v -vv -q -x -s --maxfail=# --exitfirst"
_MAVEN: Final = "-B -q -e -ntp clean validate compile test package verify install"
_GRADLE: Final = "--no-daemon --stacktrace --info --quiet --continue"

BUILD_TOOLS: Final = (
    Tool("make", _MAKE, names=True),
    Tool("gmake", _MAKE, names=True),
    Tool("ninja", "-j# -k# -v", names=True),
    Tool("cmake -S . -B build"),
    Tool("cmake --build build", "--parallel -j#"),
    Tool("ctest --test-dir build", "--output-on-failure -j#"),
    Tool("meson setup build"),
    Tool("meson compile -C build"),
    Tool("meson test -C build"),
    Tool("./configure"),
    Tool("npm ci"),
    Tool("npm install"),
    Tool("npm test"),
    Tool("npm run", "--silent --if-present", names=True),
    Tool("pnpm install", "--frozen-lockfile"),
    Tool("pnpm test"),
    Tool("pnpm run", names=True),
    Tool("yarn"),
    Tool("yarn install", "--frozen-lockfile --immutable"),
    Tool("yarn test"),
    Tool("yarn run", names=True),
    Tool("pytest", _PYTEST, names=True),
    Tool("python -m pytest", _PYTEST, names=True),
    Tool("python3 -m pytest", _PYTEST, names=True),
    # No names: it imports whatever module they name, pip's among them, and calls what is in it.
    Tool("python -m unittest", "-v -q -f discover"),
    Tool("python3 -m unittest", "-v -q -f discover"),
    Tool("python -m build"),
    Tool("python3 -m build"),
    Tool("tox"),
    Tool("tox -e", names=True),
    Tool("nox"),
    Tool("nox -s", names=True),
    Tool("cargo build", _CARGO),
    Tool("cargo check", _CARGO),
    Tool("cargo test", _CARGO, names=True),
    Tool("cargo clippy", _CARGO),
    Tool("cargo fmt --check"),
    Tool("go build", _GO, names=True),
    Tool("go test", _GO, names=True),
    Tool("go vet", names=True),
    Tool("mvn", _MAVEN),
    Tool("./mvnw", _MAVEN),
    Tool("gradle", _GRADLE, names=True),
    Tool("./gradlew", _GRADLE, names=True),
    Tool("ant", names=True),
    Tool("dotnet restore"),
    Tool("dotnet build", "--no-restore"),
    Tool("dotnet test", "--no-restore --no-build"),
    Tool("bundle install"),
    Tool("bundle exec rake", names=True),
    Tool("rake", names=True),
    Tool("composer install", "--no-interaction"),
    Tool("composer test"),
    Tool("mix deps.get"),
    Tool("mix compile"),
    Tool("mix test", names=True),
    Tool("swift build"),
    Tool("swift test"),
    Tool("zig build", names=True),
    Tool("bazel build //..."),
    Tool("bazel test //..."),
    Tool("just", names=True),
)
