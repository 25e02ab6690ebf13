"""`python -m ci.conformance`; what it does is in `main.py`."""

from __future__ import annotations

import sys

from ci.conformance.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
