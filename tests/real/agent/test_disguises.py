"""What tools make of a secret is masked, as the tools of this machine do it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ci.agent.masking import MASK, Masks

VALUES = (
    "s3cr?t/+ü'%\"42",
    "a b$c&d\"e`f\\g'h!i",
    "~x#y,z{a}[b]^c|d;e<f>g(h)*i?=:",
    "#abcdefgh $x",
    "line one $x\nline two'\"\tq\\",
    "x\\'y\"z$(ls)%s",
    "plain-token_123",
)
IN_BASH = (
    *('printf %q "$V"', "declare -p V", "export -p", "set", 'echo "${V@Q}" "${V@A}"'),
    *("declare -A m; m[k]=$V; declare -p m", 'set -x; : "x $V"'),
    *('printf "some:%s" "$V" | base64 -w 30', 'printf %s "$V" | base64 -w 7 | tr "\\n" "\\r"'),
    *('printf "$P%s" "$V" | base64', 'printf %s "$V" | od -An -v -w7 -tx1 | tr -d " "'),
)
IN_PYTHON = (
    "import os; print(dict(os.environ))",
    "import os; print(os.environb)",
    "import os, json; print(json.dumps({'body': json.dumps(dict(os.environ))}, indent=1))",
    "import os, html; print(html.escape(os.environ['V']))",
    "import os; raise SystemExit(repr(['x', os.environ['V']]))",
    "import os, shlex; print(shlex.join(['curl', '-u', 'x:' + os.environ['V']]))",
    "import os, urllib.parse; print(urllib.parse.urlencode({'v': os.environ['V']}))",
)
COMMANDS = (
    *(("bash", "-c", script) for script in IN_BASH),
    *(("sh", "-c", script) for script in ("export -p", "set", 'set -x; : "$V"')),
    *((sys.executable, "-c", script) for script in IN_PYTHON),
)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("value", VALUES)
def test_what_tools_print_of_a_secret_is_masked(value: str, locale: str) -> None:
    """In every way in which these quote, escape and wrap it."""
    masks = Masks([value])
    for command in COMMANDS:
        done = subprocess.run(
            command,
            env={"V": value, "P": "p" * 50, "LC_ALL": locale, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        masked = masks.apply(done.stdout + done.stderr, last=True).text
        assert MASK in masked, (command, masked)
