"""Print the path of a Chromium for the browser tests, installing one where that is possible.

`CI_BROWSER` names one; else whatever is on PATH; else the system's package manager brings one,
as root or by sudo without a password. Else one line says what is missing, exit code 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEED = Path(__file__).parent.parent / ".ci" / "need"


def find_browser() -> str:
    """Return the path of a browser. Raises SystemExit with the one line that says what to do."""
    named = os.environ.get("CI_BROWSER")
    if named:
        found = shutil.which(named)
        if not found:
            sys.exit(f"CI_BROWSER={named}: no such program; name a Chromium or unset it")
        return found
    found = _on_path()
    if not found:
        if subprocess.run([NEED, "", "chromium"], check=False, stdout=sys.stderr).returncode:
            sys.exit(1)  # `need` has said it
        found = _on_path()
    if not found:
        sys.exit(f"the package chromium brought none of the programs {', '.join(NAMES)}")
    return found


def _on_path() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


if __name__ == "__main__":
    sys.stdout.write(find_browser() + "\n")
