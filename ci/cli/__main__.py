"""`python -m ci.cli`; what it does is in `main.py`."""

from __future__ import annotations

import sys

from ci.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
