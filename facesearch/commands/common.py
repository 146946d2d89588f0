"""What all commands share: options, the log, JSON, progress bars, rejected inputs."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facesearch.commands.lines import near as near
from facesearch.commands.lines import print_table as print_table
from facesearch.commands.lines import say as say
from facesearch.commands.lines import say_that_pages_stay as say_that_pages_stay
from facesearch.commands.lines import tell as tell
from facesearch.commands.paths import given_folder
from facesearch.files.locations import default_gallery
from facesearch.text.announcements import NOTICE
from facesearch.text.characters import escaped
from facesearch.text.figures import bytes_in_words as bytes_in_words
from facesearch.text.figures import counted, them, time_in_words

if TYPE_CHECKING:
    from facesearch.gallery.gallery import Gallery
    from facesearch.gallery.unlike import Unlike
    from facesearch.photos.photo import Rejection
    from facesearch.store import AsOf, Counts

SHOWN = 10  # rejected inputs listed without -v
_MOST_DIGITS = 255  # of a number; no file has a longer name
EXIT_REJECTED = 3  # a batch finished with rejected inputs


def given_place(given: str | Path) -> Path | str:
    """The folder or the URL of a gallery."""
    if isinstance(given, str) and "://" in given:
        return given
    return given_folder(given)


GalleryOption = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        "-g",
        help="Folder of the gallery, or postgresql://user@host/database?gallery=NAME. Default: $FACESEARCH_GALLERY, "
        "else the user data folder.",
        show_default=False,
        metavar="DIR|URL",
        parser=given_place,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")]
QualityOption = Annotated[
    str | None,
    typer.Option(
        help="Which faces are enrolled, and which probes named: off, all; standard, none that is turned or too poor; "
        "strict, enrols good ones only.",
        show_default=False,
    ),
]
ProbeQualityOption = Annotated[
    str | None,
    typer.Option(
        "--quality",
        help="Which faces are too poor to tell: with off none, with standard or strict those of a quality below 0.3. "
        "Default: as the gallery has it.",
        show_default=False,
    ),
]
MinFaceOption = Annotated[
    int, typer.Option("--min-face", help="Side in pixels of the smallest face to look for.", min=12, max=2000)
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Score from which on it is a match. Default: the gallery's, else the encoder's.",
        show_default=False,
        min=-1.0,
        max=1.0,
    ),
]
ScoreOption = Annotated[
    str | None,
    typer.Option(
        "--score",
        help="What is compared with the threshold: cosine, or normalised. Default: the gallery's.",
        show_default=False,
        metavar="SCORE",
    ),
]
AlignedOption = Annotated[
    str | None,
    typer.Option(
        "--aligned",
        help="The images are aligned crops of this kind (arcface, mtcnn-margin, dlib-chip); detect nothing.",
        show_default=False,
        metavar="CROP",
    ),
]


FaceOption = Annotated[
    str | None,
    typer.Option(
        "--face",
        help="Which face is meant: its number, 1 being the largest, or a point in it, as 120,80.",
        show_default=False,
        metavar="N|X,Y",
    ),
]


EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="model[:precision][@backend], of the gallery's model. Default: the one of the first enrolment.",
        show_default=False,
    ),
]


FrameRateOption = Annotated[
    float, typer.Option("--frames-per-second", help="Frames of a clip of video that are looked at.", min=0.01, max=60)
]


SearchOption = Annotated[
    str,
    typer.Option(
        "--search",
        help="Where people are searched for: projection, in index files of this machine, or database, on the server.",
        metavar="WHERE",
    ),
]


ConsistencyOption = Annotated[
    str,
    typer.Option(
        "--consistency",
        help="Of a gallery on a server: latest, or bounded:2s, if answers may be so old and need not ask the server.",
        metavar="WHICH",
    ),
]
StaleForOption = Annotated[
    str | None,
    typer.Option(
        "--stale-for",
        help="How old answers may be while the server is away, as in 10m; this machine keeps names of people for it. "
        "Default: there are none then.",
        metavar="TIME",
        show_default=False,
    ),
]


ShardsOption = Annotated[
    str | None,
    typer.Option(
        "--shards",
        help="Where people are searched for, in place of index files of this machine: the servers of all shards of a "
        "gallery on a server, HOST:PORT and commas between.",
        show_default=False,
        metavar="SERVERS",
    ),
]


DeviceOption = Annotated[
    str,
    typer.Option("--device", help="What runs the encoder: cpu, cuda, …, never another one silently; -v says it."),
]


def set_up(verbose: bool) -> None:
    """Send the package's warnings (with `verbose` also its reports) to standard error, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("facesearch")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbose else NOTICE)
    warnings.filterwarnings("ignore", module="PIL")  # about damaged files, whose rejection says it in a line


def say_age(as_of: AsOf | None) -> None:
    """Say that answers are old, where that is because the server is away."""
    if as_of is not None and as_of.away:
        age = time_in_words(as_of.age)
        logging.getLogger("facesearch").warning("the server is away: answers are of what was known %s ago", age)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        return prefix + escaped(record.getMessage())


def open_gallery(path: Path | str | None, **options: Any) -> Gallery:
    """The gallery at the place given, or the default one."""
    from facesearch.gallery.gallery import Gallery

    return Gallery.open(path or default_gallery(), **options)


def addresses(given: str | None) -> list[str]:
    """Those that are separated by commas."""
    return [] if given is None else [each.strip() for each in given.split(",")]


def has_gallery(path: Path | str | None, *, away: bool = False) -> bool:
    """Whether there is a gallery at the place given, or the default one. away: or this machine knows of one whose
    server is away."""
    from facesearch.gallery.place import is_there, place_of

    return is_there(place_of(path or default_gallery()), away=away)


def print_json(document: object, *, indent: int | None = 2) -> None:
    """One JSON document on standard output; in one line without `indent`."""
    shows_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(document, ensure_ascii=not shows_all, indent=indent) + "\n")


@contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error where that is a terminal: a function (done, total)."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escaped(label), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


@contextmanager
def frames_bar(label: str, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """The same where nobody knows how many there will be: a function of the number done."""
    with progress_bar(label, quiet=quiet) as progress:
        yield lambda done: progress(done, 0)


def numbers_or_paths(words: Sequence[str]) -> list[int | str]:
    """What may be asked for by its number or by the path of its photo."""
    return [int(each) if each.isascii() and each.isdigit() and len(each) <= _MOST_DIGITS else each for each in words]


def putting_back(templates: Sequence[int]) -> str:
    """How templates with these numbers come back into answers, as a line says it."""
    return f"facesearch templates restore {' '.join(map(str, templates))} puts {them(len(templates))} back"


def held_in_words(counts: Counts, without: int) -> str:
    """What a gallery holds; without: how many of the people have no template."""
    held = f"{counted(counts.templates, 'template')} of {counted(counts.identities - without, 'person', 'people')}"
    return f"{held}, and {counted(without, 'person', 'people')} without a template" if without else held


def moving(templates: Sequence[int], name: str) -> str:
    """The command that gives templates with these numbers to somebody."""
    return f"facesearch templates move {' '.join(map(str, templates))} --to {shlex.quote(name)}"


def warn_unlike(who: str, found: Unlike, back: str) -> None:
    """Warn that templates that were given to a person are not like the person's others. who: both; back: the
    command that puts it right."""
    logging.getLogger("facesearch").warning(
        "%s do not look alike (similarity %.2f at most, the threshold is %.2f): if they are two people, %s",
        who,
        found.similarity,
        found.threshold,
        back,
    )


def on_a_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def end_with_rejected(
    rejected: Sequence[Rejection], *, verbose: bool, silent: bool = False, before: bool = False
) -> None:
    """Name the inputs that were rejected and why, unless `silent`; then end with status 3 if there are any."""
    if not silent:
        say_rejected(rejected, verbose=verbose, before=before)
    exit_rejected(len(rejected))


def say_rejected(rejected: Sequence[Rejection], *, verbose: bool, before: bool = False) -> None:
    """Name the inputs that were rejected and why, those first that need a decision, and count those that were rejected
    before; before: name these, too, as where they were asked for one by one."""
    ordered = sorted(rejected, key=lambda item: not item.decision)
    shown = [f"{item.path}: {item.reason}" for item in ordered if verbose or before or not item.before]
    say_listed("rejected", shown, verbose=verbose)
    if more := len(rejected) - len(shown):
        say(f"rejected {counted(more, 'photo')} as before; -v lists {them(more)}")


def say_listed(word: str, items: Sequence[str], *, verbose: bool) -> None:
    """A line for each; without `verbose` for the first ones, and how many there are more."""
    for item in items if verbose else items[:SHOWN]:
        say(f"{word} {item}")
    if len(items) > SHOWN and not verbose:
        say(f"{word} {len(items) - SHOWN} more; -v lists them all")


def exit_rejected(rejected: int) -> None:
    """End with status 3 if any input was rejected."""
    if rejected:
        raise typer.Exit(EXIT_REJECTED)
