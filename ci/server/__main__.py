"""`python -m ci.server`; what it does is in `main.py`."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    # What a start makes is there until the end. To look through all of it for garbage, each time
    # that it has grown, was a quarter of the start: `keep_what_lasts` turns that on again.
    gc.disable()
    from ci.server.main import main

    sys.exit(main())
