"""``python -m numzoo``: the command line."""

from __future__ import annotations

import sys

from numzoo.hub.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
