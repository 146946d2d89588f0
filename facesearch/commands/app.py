"""The tree of commands, and how errors leave the program."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from facesearch import __version__
from facesearch.commands import (
    cache,
    calibrate,
    cluster,
    demo,
    encoders,
    enroll,
    evaluate,
    gallery,
    gallery_thin,
    identities,
    identities_negative,
    index,
    index_serve,
    query,
    report,
    templates,
    unknown_changes,
    verify,
)
from facesearch.commands.common import print_json, tell
from facesearch.errors import FacesearchError

app = typer.Typer(
    name="facesearch",
    help="Who is this? Enrol photos of known people, then ask. Everything runs on this machine.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("enroll", epilog=enroll.EXAMPLES)(enroll.enroll)
app.command("query", epilog=query.EXAMPLES)(query.query)
app.command("verify", epilog=verify.EXAMPLES)(verify.verify)
app.command("cluster", epilog=cluster.EXAMPLES)(cluster.cluster)
identities.app.command("negative", epilog=identities_negative.EXAMPLES)(identities_negative.negative)
app.add_typer(identities.app, name="identities")
app.add_typer(templates.app, name="templates")
app.add_typer(unknown_changes.app, name="unknown")
index.app.command("serve", epilog=index_serve.EXAMPLES)(index_serve.serve)
app.add_typer(index.app, name="index")
gallery.app.command("thin", epilog=gallery_thin.EXAMPLES)(gallery_thin.thin)
app.add_typer(gallery.app, name="gallery")
app.add_typer(encoders.app, name="encoders")
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("report", epilog=report.EXAMPLES)(report.report)
app.command("calibrate", epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.add_typer(cache.app, name="cache")
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facesearch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options of the whole program."""


_INTERRUPTED = 130


def run() -> None:
    """Run a command; whatever goes wrong ends as one line on standard error and an exit status.

    Where --json was given, the line is also on standard output, as {"error": "..."}.
    """
    _open_what_is_closed()
    _print_any_name()
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
        if status == _INTERRUPTED:
            print_error("interrupted; what was confirmed is kept")
    except typer.TyperException as error:
        status = _usage_error(error)
    except FacesearchError as error:
        status = _failure(str(error), error.exit_status)
    except BrokenPipeError:
        status = _reader_has_gone()
    except SystemExit as left:  # so ends Typer where it meets a broken pipe
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        status = _reader_has_gone()
    except OSError as error:
        status = _failure(f"{error.filename or 'input/output'}: {(error.strerror or str(error)).lower()}", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _failure(message: str, status: int) -> int:
    """One line on standard error, and a document for programs that asked for one."""
    print_error(message)
    if "--json" not in sys.argv[1:]:
        return status
    try:
        print_json({"error": " ".join(message.split())})
        sys.stdout.flush()
    except OSError:  # what failed may be standard output itself; the line has said so
        _drop_output()
    return status


def _reader_has_gone() -> int:
    """Nobody reads our output any more, as in `facesearch … | head`: that is no failure."""
    _drop_output()
    return 0


def _drop_output() -> None:
    """Send what is still to be written nowhere, so that the end of the program does not try it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """Give a stream that was closed before the start, as in `facesearch … >&-`, nowhere to write to.

    Its number would otherwise become that of the next file opened, which others may take for the stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            where = os.open(os.devnull, os.O_RDWR)
            if where != number:
                os.dup2(where, number)
                os.close(where)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _print_any_name() -> None:
    r"""Names of files may hold what the output cannot show: bytes that are not UTF-8. They are written as \udcNN."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _usage_error(error: typer.TyperException) -> int:
    """Words that are not a command: one line, with the help that belongs to it."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return 2  # its help is written where it is raised
    message = error.format_message().strip().rstrip(".")
    return _failure(f"{message}; see: {context.command_path if context else 'facesearch'} --help", error.exit_code)


def print_error(message: str) -> None:
    """One line on standard error."""
    tell(f"error: {' '.join(message.split())}")
