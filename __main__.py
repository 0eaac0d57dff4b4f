"""``numzoo`` and ``python -m numzoo``: the command line, which an impatient person may interrupt even while it is imported."""

from __future__ import annotations

import sys

__all__ = ["start"]


def start() -> int:
    """Run the command line; its exit code."""
    try:
        from numzoo.hub.cli.main import main

        return main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(start())
