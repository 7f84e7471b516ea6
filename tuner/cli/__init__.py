"""The command line. Each verb is a module here; `main` turns their errors into one line."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Sequence

import click

from tuner.cli.best import best_verb
from tuner.cli.boards import boards_verb
from tuner.cli.compare import compare_verb
from tuner.cli.doctor import doctor_verb
from tuner.cli.explain import explain_verb
from tuner.cli.export import export_verb
from tuner.cli.image import image_verb
from tuner.cli.import_autotvm import import_autotvm_verb
from tuner.cli.order_search import order_search_verb
from tuner.cli.plan import plan_verb
from tuner.cli.report import report_verb
from tuner.cli.serve import serve_verb
from tuner.cli.server_binary import server_binary_verb
from tuner.cli.tune import tune_verb
from tuner.errors import UserError

_EXIT_BAD_INPUT = 2
_EXIT_NO_READER = 1  # as click does
_EXIT_INTERRUPTED = 130
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class _DefaultVerb(click.Group):
    """A group whose verb `tune` may be left out: `python -m tuner squeezenet --target ...`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            args = ["--help"]
        if args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            _refuse_slip(args[0], list(self.commands))
            args = ["tune", *args]
        return super().parse_args(ctx, args)


def _refuse_slip(word: str, verbs: Sequence[str]) -> None:
    """Raise a `UserError` if `word`, which is no verb, looks like one."""
    close = difflib.get_close_matches(word, verbs, n=1, cutoff=0.75)
    if close:
        raise UserError(f"unknown verb {word!r}", f"did you mean `python -m tuner {close[0]}`?")


@click.group(cls=_DefaultVerb, context_settings={"max_content_width": 100})
def command_line() -> None:
    """Tune a network's convolutions for an ARM core, on a board or on its emulation.

    python -m tuner NETWORK --target CORE|BOARD [options]   (`python -m tuner tune --help`)
    """


for _verb in (
    tune_verb,
    plan_verb,
    report_verb,
    compare_verb,
    export_verb,
    image_verb,
    best_verb,
    import_autotvm_verb,
    doctor_verb,
    boards_verb,
    serve_verb,
    server_binary_verb,
    explain_verb,
    order_search_verb,
):
    command_line.add_command(_verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 the user has to mend something, 130 interrupted."""
    try:
        command_line.main(arguments, prog_name="python -m tuner", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        sys.exit(_fail(str(error)))
    except click.ClickException as error:
        sys.exit(_fail(f"{error.format_message().rstrip('.')}; {_fix(error)}"))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_EXIT_INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough
        _drop_output()
        sys.exit(_EXIT_NO_READER)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        _drop_output()
        message = f"cannot write the output: {error.strerror}"
        sys.exit(_fail(f"{message}; free some space, or redirect it elsewhere"))


def _fix(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"see `{context.command_path if context else 'python -m tuner'} --help`"


def _drop_output() -> None:
    """Make sure that what is left to print does not fail again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    # Always one line: a cause that spans several is joined.
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return _EXIT_BAD_INPUT
