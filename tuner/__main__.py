"""`python -m tuner`."""

import sys

from tuner.board import runtime_sources
from tuner.errors import UserError

_EXIT_BAD_INPUT = 2


def _main() -> None:
    try:
        runtime_sources.find()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_EXIT_BAD_INPUT)
    # Only now: with another TVM, or none, importing fails in many ways that say little.
    from tuner.cli import main

    main()


if __name__ == "__main__":
    _main()
