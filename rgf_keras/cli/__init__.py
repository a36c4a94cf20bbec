"""The command line: each command parses, chooses the backend and calls one function."""

import io
import os
import shlex
import sys
from typing import Annotated

import typer

from rgf_keras.cli import assess, audit, data, reject, report, reproduce, score, study, system
from rgf_keras.cli.options import note
from rgf_keras.errors import RgfError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
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
app.command("sample")(assess.sample)
app.command("ui")(system.ui)
app.command("dashboard")(system.dashboard)
app.command("sync")(system.sync)
app.command("info")(system.info)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Measure how much an image generator memorizes, and search what helps."""
    if debug:
        os.environ["RGF_DEBUG"] = "1"


def main() -> None:
    """Entry point: errors that the user can mend are one line and exit code 2.

    So are files that cannot be read or written where nobody has checked that before.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals that are not Unicode's
    os.environ["RGF_COMMAND"] = shlex.join(["rgf", *sys.argv[1:]])
    try:
        app()
    except (RgfError, OSError) as error:
        if os.environ.get("RGF_DEBUG"):
            raise
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        note(f"error: {' '.join(text.split())}", "red")
        sys.exit(2)
    except KeyboardInterrupt:
        note("interrupted; the same command continues")
        sys.exit(130)
