"""A small git repository to try the system with: green on `main`, red on `broken`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci.errors import StoreError

DEMO_NAME: Final = "demo"
DEMO_COMMIT: Final = "main"
DEMO_BROKEN: Final = "broken"
DEMO_COMMAND: Final = "./test.sh"

# The same commits, so the same hashes, on every machine; and no need of a git configuration.
_WHO: Final = {
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": "demo@example.org",
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": "demo@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True, slots=True)
class _Commit:
    """One commit of the demo: the branch that it is made on, and the files that it writes."""

    branch: str
    date: str
    message: str
    files: Mapping[str, str]


def make_demo(folder: Path) -> Path:
    """Make the demo repository at `folder` unless it is there, and return its absolute path.

    What is there is never touched: it may carry commits that somebody tried something with.
    It is built beside its place and renamed, so that an interrupted attempt leaves nothing
    that looks finished. Raises StoreError.
    """
    folder = folder.absolute()
    if folder.exists():
        return folder
    if shutil.which("git") is None:
        raise StoreError(
            "the demo repository needs git; install it, or configure a repository of your own"
        )
    unfinished = folder.with_name(f".{folder.name}-unfinished")
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        _build(unfinished)
        unfinished.rename(folder)
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())
        raise StoreError(f"{folder}: git can't make the demo repository: {said}") from error
    except OSError as error:
        raise StoreError(f"{folder}: can't make the demo repository ({error.strerror})") from error
    return folder


def _build(folder: Path) -> None:
    _git(folder, "init", "--quiet", "--template=")
    _git(folder, "symbolic-ref", "HEAD", f"refs/heads/{DEMO_COMMIT}")
    for commit in _COMMITS:
        if commit.branch != DEMO_COMMIT:
            _git(folder, "checkout", "--quiet", "-b", commit.branch)
        for name, text in commit.files.items():
            file = folder / name
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        _git(folder, "add", ".")
        _git(folder, "commit", "--quiet", "--message", commit.message, date=commit.date)
    _git(folder, "checkout", "--quiet", DEMO_COMMIT)


def _git(folder: Path, *arguments: str, date: str = "") -> None:
    # A variable such as GIT_DIR, set where a git hook starts us, would aim at another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | _WHO
    if date:
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    subprocess.run(  # noqa: S603 - every argument is a constant of this file or our folder
        ["git", *arguments],  # noqa: S607 - wherever the system has its git
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


_README = """\
A till, to try the builds with.

`main` is green. `broken` has one more commit, with a bug that its tests find.
Run them as the builds do: ./test.sh
"""

_TEST_SH = r"""#!/bin/sh
# All checks of this project.
set -eu
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1

step() { printf '\n\033[1;36m==> %s\033[0m\n' "$1"; }

step "Where are we?"
python3 --version
uname -sm

step "Does every file read as Python?"
python3 - *.py <<'PYTHON'
import ast, pathlib, sys

for name in sys.argv[1:]:
    ast.parse(pathlib.Path(name).read_text(encoding="utf-8"), name)
    print(f"{name} \033[32myes\033[0m")
PYTHON

step "Does the till add up?"
python3 -u run_tests.py

printf '\n\033[1;32mAll good.\033[0m\n'
"""

_RUN_TESTS = r'''"""Run the tests, one coloured line each, and say at the end what went wrong."""

import sys
import time
import unittest

PAUSE_S = 0.3  # so that somebody who watches can see the log grow


class ColouredResult(unittest.TextTestResult):
    def __init__(self, stream, *_, **__):
        super().__init__(stream, descriptions=True, verbosity=0)

    def startTest(self, test):
        super().startTest(test)
        time.sleep(PAUSE_S)

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"\033[32m✓\033[0m {test.shortDescription()}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(f"\033[1;31m✗ {test.shortDescription()}\033[0m")

    def addError(self, test, err):
        super().addError(test, err)
        print(f"\033[1;31m✗ {test.shortDescription()} (error)\033[0m")


tests = unittest.defaultTestLoader.discover(".")
runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=ColouredResult)
sys.exit(not runner.run(tests).wasSuccessful())
'''

_TILL = '''"""A till: prices are whole cents."""


def total(prices, discount_percent=0):
    """What is to be paid for `prices`, less the discount, rounded to the nearest cent."""
    return round(sum(prices) * (100 - discount_percent) / 100)


def shown(cents):
    """1234 -> "12.34"."""
    return f"{cents // 100}.{cents % 100:02}"


def change(paid, due):
    """What the customer gets back. Raises ValueError when it was too little."""
    if paid < due:
        raise ValueError(f"{shown(due - paid)} are missing")
    return paid - due
'''

_TEST_TILL = '''import unittest

from till import change, shown, total


class TestTill(unittest.TestCase):
    def test_nothing(self):
        """nothing costs nothing"""
        self.assertEqual(shown(total([])), "0.00")

    def test_sum(self):
        """prices are added"""
        self.assertEqual(shown(total([1999, 250, 1])), "22.50")

    def test_shown(self):
        """cents have two digits"""
        self.assertEqual(shown(705), "7.05")

    def test_discount(self):
        """a discount is taken off"""
        self.assertEqual(shown(total([1000, 500], discount_percent=20)), "12.00")

    def test_rounding(self):
        """a discount rounds to the nearest cent"""
        self.assertEqual(shown(total([1996], discount_percent=15)), "16.97")

    def test_change(self):
        """change is given back"""
        self.assertEqual(shown(change(paid=2000, due=1799)), "2.01")

    def test_too_little(self):
        """too little money is refused, in words"""
        with self.assertRaisesRegex(ValueError, "0.99 are missing"):
            change(paid=1700, due=1799)


if __name__ == "__main__":
    unittest.main()
'''

_BROKEN_TILL = _TILL.replace(
    "    return round(sum(prices) * (100 - discount_percent) / 100)\n",
    "    return sum(prices) * (100 - discount_percent) // 100\n",
)

_COMMITS: Final = (
    _Commit(
        DEMO_COMMIT,
        "2024-05-06T09:00:00+00:00",
        "A till that adds prices and gives change",
        {"README.md": _README, "till.py": _TILL},
    ),
    _Commit(
        DEMO_COMMIT,
        "2024-05-06T11:30:00+00:00",
        "Test the till",
        {"test.sh": _TEST_SH, "run_tests.py": _RUN_TESTS, "test_till.py": _TEST_TILL},
    ),
    _Commit(
        DEMO_BROKEN,
        "2024-05-07T16:45:00+00:00",
        "Keep to whole numbers: no more floats where money is",
        {"till.py": _BROKEN_TILL},
    ),
)
