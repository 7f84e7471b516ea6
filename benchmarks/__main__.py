"""`python -m benchmarks`: every published figure of the project, measured again."""

from __future__ import annotations

import sys

import click

from benchmarks.fidelity import fidelity_verb
from benchmarks.imagenet import imagenet_verb
from benchmarks.layers import layers_verb
from benchmarks.micro import micro_verb
from benchmarks.neighbours import neighbours_verb
from benchmarks.peers.verb import peers_verb
from benchmarks.rate import rate_verb
from benchmarks.scaling import scaling_verb
from benchmarks.search.verb import search_verb
from benchmarks.speed import speed_verb
from benchmarks.summary import summary_verb
from benchmarks.threads import threads_verb
from tuner.errors import UserError

_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130


@click.group(context_settings={"max_content_width": 100})
def command_line() -> None:
    """Measure again what the documentation claims."""


for _verb in (
    layers_verb,
    peers_verb,
    threads_verb,
    scaling_verb,
    rate_verb,
    imagenet_verb,
    micro_verb,
    neighbours_verb,
    search_verb,
    speed_verb,
    fidelity_verb,
    summary_verb,
):
    command_line.add_command(_verb)


def main() -> None:
    """Run the command line: exit code 0 done, 2 the user has to mend something, 130 interrupted."""
    try:
        command_line.main(prog_name="python -m benchmarks", standalone_mode=False)
    except (UserError, click.ClickException) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        print("error: " + " ".join(text.split()), file=sys.stderr)
        sys.exit(_EXIT_BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
