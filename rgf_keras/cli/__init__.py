"""The command line: each command parses, chooses the backend and calls one function."""

import contextlib
import io
import logging
import os
import shlex
import shutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import DEFAULT_MARKUP_MODE
from typer.exceptions import TyperException

from rgf_keras import __version__
from rgf_keras.cli import (
    assess,
    audit,
    data,
    reject,
    report,
    reproduce,
    sample,
    score,
    study,
    system,
)
from rgf_keras.cli.options import note, tell
from rgf_keras.errors import RgfError
from rgf_keras.masking import masked

INTERRUPTED = 130  # the exit code that Typer has for Ctrl-C
NARROW = 80  # columns, below which frames would cut words of help texts in two
READER_GONE = 141  # that of what ends since nobody reads on, as with `| head`

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(study.app, name="study")
app.add_typer(data.app, name="data")
app.command("assess")(assess.assess_command)
app.command("calibrate")(assess.calibrate_command)
app.command("audit")(audit.audit_command)
app.command("reject")(reject.reject_command)
app.command("score")(score.score_command)
app.command("reproduce")(reproduce.reproduce_command)
app.command("report")(report.report_command)
app.command("compare")(report.compare_command)
app.command("sample")(sample.sample_command)
app.command("ui")(system.ui)
app.command("dashboard")(system.dashboard)
app.command("sync")(system.sync)
app.command("info")(system.info)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"rgf_keras {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Measure how much an image generator memorizes, and search what helps."""
    if debug:
        os.environ["RGF_DEBUG"] = "1"


class _MaskedLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class _Terminal:
    """A stream to a terminal that may be closed while work goes on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def main() -> None:
    """Entry point: errors that the user can mend are one line and exit code 2.

    So are files that cannot be read or written where nobody has checked that before. Nothing that
    is shown has a secret in it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals that are not Unicode's
    hangup = getattr(signal, "SIGHUP", None)  # not on every system
    if hangup and signal.getsignal(hangup) == signal.SIG_IGN:  # nohup, disown
        sys.stdout, sys.stderr = _Terminal(sys.stdout), _Terminal(sys.stderr)  # type: ignore[assignment]
    assert logging.lastResort
    logging.lastResort.setFormatter(_MaskedLines())
    threading.excepthook = _show_uncaught
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    if not os.path.isabs(os.path.expanduser("~")):  # no account: what other libraries ask for
        os.environ["HOME"] = os.devnull
        os.environ.setdefault("USER", "nobody")
    os.environ["RGF_COMMAND"] = shlex.join(["rgf", *(masked(x, x) for x in sys.argv[1:])])
    is_narrow = shutil.get_terminal_size().columns < NARROW
    app.rich_markup_mode = None if is_narrow else DEFAULT_MARKUP_MODE
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:  # Typer and Rich end so if nobody reads on
        code = READER_GONE
        if isinstance(error, SystemExit) and not isinstance(error.__context__, OSError):
            code = error.code  # a user's file ends the process
    except TyperException as error:  # options and arguments that are none
        if message := error.format_message():  # else its help is shown
            context = getattr(error, "ctx", None)
            see = f" (see `{context.command_path} --help`)" if context else ""
            tell(f"error: {' '.join(message.split())}{see}", "red")
        code = error.exit_code
    except Exception as error:
        is_users = isinstance(error, RgfError | OSError)
        code = 2 if is_users else 1
        if is_users and not os.environ.get("RGF_DEBUG"):
            text = str(error)
            if isinstance(error, OSError) and error.filename is not None:
                text = f"{error.filename}: {error.strerror}"
            tell(f"error: {' '.join(text.split())}", "red")
        else:
            _show_traceback(error)
    if code == READER_GONE:  # for what is left to write
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
    if code == INTERRUPTED:
        note("interrupted; the same command continues")
    sys.exit(code)


def _show_uncaught(raised: threading.ExceptHookArgs) -> None:
    if not isinstance(raised.exc_value, SystemExit):  # which ends a thread quietly
        _show_traceback(raised.exc_value)


def _show_warning(
    others: Callable[..., None],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    *where: Any,
    **more: Any,
) -> None:
    """One line of what the package warns of; ``others`` shows what other libraries do."""
    if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parents[1]):
        tell(f"warning: {' '.join(str(message).split())}", "yellow")
    else:
        others(message, category, filename, *where, **more)


def _show_traceback(error: BaseException | None) -> None:
    tell("".join(traceback.format_exception(error)), None)
