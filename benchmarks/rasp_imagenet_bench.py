"""The old name of `python -m benchmarks imagenet`: the same options and the same output."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run the verb `imagenet` with the arguments of this script."""
    # As a script it finds its neighbours, not the package that it belongs to.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks import __main__ as command

    sys.argv[1:1] = ["imagenet"]
    command.main()


if __name__ == "__main__":
    main()
