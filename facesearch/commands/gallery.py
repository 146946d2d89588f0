"""facesearch gallery"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands import gallery_suspects
from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    QualityOption,
    ScoreOption,
    ThresholdOption,
    VerboseOption,
    bytes_in_words,
    end_with_rejected,
    given_place,
    has_gallery,
    held_in_words,
    open_gallery,
    print_json,
    progress_bar,
    say,
    say_that_pages_stay,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.errors import UsageError
from facesearch.files.locations import default_gallery
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.gallery.answers import GalleryInfo

app = typer.Typer(help="The gallery as a whole.", no_args_is_help=True)
app.command(epilog=gallery_suspects.EXAMPLES)(gallery_suspects.suspects)


@app.callback()
def _group() -> None:
    """The gallery as a whole."""


@app.command(epilog="**Example**\n\n    facesearch gallery info --json")
def info(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Sizes and state: encoder, index kind, people, templates, bytes on disk."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        state = opened.info()
    if json:
        print_json(state.document())
        return
    say(f"encoder    {state.encoder}")
    say(f"index      {state.index}, templates stored as {state.codec}, originals kept: {state.originals}")
    _say_how_it_decides(state)
    say(f"quality    {state.quality}")
    if state.cohort:
        say(f"cohort     {counted(state.cohort, 'face')} of people who are not enrolled")
    say(f"people     {state.identities - state.without_templates:,}, {counted(state.templates, 'template')}")
    if state.without_templates:
        say(f"           {counted(state.without_templates, 'person', 'people')} more without a template")
    if state.taken_out or state.set_aside:
        say(f"           {state.taken_out:,} more taken out, {state.set_aside:,} set aside: facesearch templates list")
    if state.unknown_faces:
        clusters = counted(state.unknown_clusters, "cluster")
        say(f"inbox      {counted(state.unknown_faces, 'unknown face')}, {clusters}: facesearch unknown list")
    say(f"on disk    database {bytes_in_words(state.database_bytes)}, index {bytes_in_words(state.index_bytes)}")


def _say_how_it_decides(state: GalleryInfo) -> None:
    say(f"threshold  {_threshold(state)}")
    say(f"decides    by {'the similarity (cosine)' if state.score == 'cosine' else 'normalised scores'}")


def _threshold(state: GalleryInfo) -> str:
    """The threshold in force, and where it comes from."""
    if state.threshold is None:
        return "the default of the encoder, which is not installed here"
    if (found := state.calibration) is not None:
        made = time.strftime("%Y-%m-%d", time.localtime(found.created_at))
        searches = counted(found.searches, "photo")
        return f"{state.threshold:.3f}, calibrated on {made} for an FPIR of {found.fpir:g} on {searches} of strangers"
    return f"{state.threshold:.3f}, {'set by hand' if state.threshold_from == 'set' else 'the default of the encoder'}"


@app.command(
    "set",
    epilog="**Examples**\n\n    facesearch gallery set --threshold 0.55\n\n"
    "    facesearch gallery set --default --score normalised",
)
def set_(
    threshold: ThresholdOption = None,
    default: Annotated[bool, typer.Option("--default", help="Return to the threshold of the encoder.")] = False,
    score: ScoreOption = None,
    quality: QualityOption = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Change how the gallery decides: its threshold, the score that is compared with it, and which faces are too poor.

    A threshold that was set for another score goes: the encoder's default holds until another one is set.
    """
    set_up(verbose)
    if default and threshold is not None:
        raise UsageError("--threshold and --default contradict each other")
    if not default and threshold is None and score is None and quality is None:
        raise UsageError(
            "nothing to set: --threshold X, --default, or --score cosine|normalised, or --quality off|standard|strict"
        )
    with open_gallery(gallery, create=False) as opened:
        before = opened.info()
        if quality is not None:
            opened.set_quality(quality)
        if score is not None:
            opened.set_score(score)
        if default or threshold is not None:
            opened.set_threshold(threshold)
        state = opened.info()
        poor = [] if quality is None else opened.templates(below=opened.least_quality)
    if json:
        told = ("threshold", "threshold_from", "score", *(() if quality is None else ("quality",)))
        print_json({name: state.document()[name] for name in told})
        return
    _say_how_it_decides(state)
    if quality is not None:
        say(f"quality    {state.quality}, for photos and probes to come")
    if poor and state.quality != "off":
        are = f"{counted(len(poor), 'template')} enrolled before {'is' if len(poor) == 1 else 'are'} poorer than that"
        say(f"           {are}: facesearch templates list --poor")
    if before.calibration is not None and state.calibration is None:
        say(f"before     {_threshold(before)}")


@app.command(epilog="**Example**\n\n    facesearch gallery backup gallery-monday.zip")
def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False, parser=given_path)
    ],
    force: Annotated[bool, typer.Option("--force", help="Take the place of a file that is there.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write the gallery into one file, as it is at this moment; others may go on using it.

    The file is a ZIP archive of database, index and their checksums. It holds templates of people: keep it as safe as
    the gallery, and delete it when somebody in it wants to be forgotten.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened, progress_bar("backing up") as progress:
        report = opened.backup(file, overwrite=force, progress=progress)
    if json:
        print_json(report.document())
        return
    held = f"{counted(report.templates, 'template')} of {counted(report.identities, 'person', 'people')}"
    say(f"backed up {held} to {report.path} ({bytes_in_words(report.bytes)})")
    if not report.has_index:
        say("  without an index file: restoring builds one")


@app.command(
    epilog="**Examples**\n\n    facesearch gallery restore gallery-monday.zip --gallery staff\n\n"
    "    facesearch gallery restore gallery-monday.zip --gallery staff --replace"
)
def restore(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What gallery backup wrote.", show_default=False, parser=given_path)
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of the gallery that is there.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Put a backup back: into a folder that is empty or not there, or in place of a gallery.

    The archive is checked as a whole before anything is touched, and the gallery is there whole or not at all.

    People who were forgotten after the backup was made come back with it. With --replace over the gallery that they
    were forgotten in they are named, and unknown faces of them, too; another folder cannot know of them.
    """
    set_up(verbose)
    from facesearch.gallery.gallery import Gallery

    with progress_bar("restoring") as progress:
        report = Gallery.restore(file, gallery or default_gallery(), replace=replace, progress=progress)
    if json:
        print_json(report.document())
        return
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(report.made_at))
    held = f"{counted(report.templates, 'template')} of {counted(report.identities, 'person', 'people')}"
    say(f"restored {held}, as of {made}, to {report.folder}")
    for name in report.returned:
        say(f"  {name} had been forgotten since and is back: facesearch identities forget")
    if report.returned_faces:
        faces = counted(len(report.returned_faces), "unknown face is", "unknown faces are")
        numbers = " ".join(f"f{number}" for number in report.returned_faces)
        say(f"  {faces} back of people who had been forgotten since: facesearch unknown discard {numbers}")
    if not report.knows_forgotten:
        say("  whoever was forgotten since then is back, and cannot be named here: forget them again")


@app.command(
    epilog="**Examples**\n\n    facesearch gallery copy staff postgresql://me@server/faces?gallery=staff\n\n"
    "    facesearch gallery copy postgresql://me@server/faces?gallery=staff staff"
)
def copy(
    source: Annotated[
        Path,
        typer.Argument(metavar="FROM", help="The gallery: DIR|URL.", show_default=False, parser=given_place),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TO", help="Where the copy is to be: DIR|URL, nothing yet.", show_default=False, parser=given_place
        ),
    ],
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Copy a gallery with everything in it: from a folder to a server, back, or to another of its kind.

    Others may go on using the gallery; the copy is of one moment. Before it is a gallery, it is compared with the one
    that was copied: all rows, and what both answer. The same command goes on with a copy that was interrupted.
    """
    set_up(verbose)
    from facesearch.gallery.gallery import Gallery

    with progress_bar("copying") as progress:
        report = Gallery.copy(source, target, progress=progress)
    if json:
        print_json(report.document())
        return
    held = f"{counted(report.templates, 'template')} of {counted(report.identities, 'person', 'people')}"
    say(f"copied {held} from {report.source} to {report.target}")
    say(f"  {sum(table.rows for table in report.tables):,} rows are the same, and {report.searches:,} answers")
    if not report.has_index:
        say("  without index files: the first question builds an index")


@app.command(
    epilog="**Examples**\n\n    facesearch gallery export staff.parquet\n\n    facesearch gallery export staff.csv"
)
def export(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The file to write: .parquet, .csv or .npz.", show_default=False, parser=given_path
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Take the place of a file that is there.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write all templates with whose they are and from which photo, for another gallery or another program.

    They are biometric data: keep the file as safe as the gallery, and delete it when somebody in it wants to be
    forgotten. What is taken out or set aside stays behind.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened, progress_bar("exporting") as progress:
        report = opened.export(file, overwrite=force, progress=progress)
        ignored = sum(summary.attributes.ignored for summary in opened.identities())
    if json:
        print_json(report.document())
        return
    held = f"{counted(report.templates, 'template')} of {counted(report.identities, 'person', 'people')}"
    say(f"exported {held} to {report.path} ({bytes_in_words(report.bytes)})")
    say("  it holds biometric data: only its owner may read it; delete it when somebody in it wants to be forgotten")
    if report.set_aside:
        say(f"  without {counted(report.set_aside, 'template')} taken out or set aside")
    if ignored:
        people = counted(ignored, "person who is", "people who are")
        say(f"  with {people} never to be named: a gallery that imports them does not know, and has to be told again")
    if not report.is_exact:
        say("  the gallery keeps only codes of its index: a gallery that imports them answers a little differently;")
        say("  facesearch gallery backup takes it elsewhere as it is")


@app.command(
    "import",
    epilog="**Examples**\n\n    facesearch gallery import staff.parquet\n\n"
    "    facesearch gallery import staff.csv --gallery new --index sq8",
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What gallery export wrote, or a file with columns identity, encoder, template.",
            show_default=False,
            parser=given_path,
        ),
    ],
    again: Annotated[bool, typer.Option("--again", help="Import people who were forgotten, too.")] = False,
    index: Annotated[
        str | None,
        typer.Option(help="Index of a new gallery: flat, sq8, tcq64, … Default: flat.", show_default=False),
    ] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Add the templates of a file to the gallery, or start one with them and their encoder.

    The file is looked over as a whole first. What is enrolled already is skipped; photos of people who were forgotten
    need --again. Templates of other models, such as deepface's and face_recognition's, are refused.
    """
    set_up(verbose)
    from facesearch.gallery.table_files import read_table

    table = read_table(file)
    with open_gallery(gallery, encoder=None if has_gallery(gallery) else table.encoder[0], index=index) as opened:
        with progress_bar("importing", quiet=json and not verbose) as progress:
            report = opened.import_templates(table, again=again, progress=progress)
        counts, without = opened.counts(), opened.without_templates()
    if json:
        held = {"identities": counts.identities, "templates": counts.templates}
        print_json({"file": str(file), **report.document(), "gallery": held})
    else:
        new = f"{counted(report.templates, 'template')} of {counted(report.identities, 'person', 'people')}"
        aside = f", {report.aside:,} of them taken out or set aside" if report.aside else ""
        say(f"imported {new}, skipped {report.skipped:,} enrolled before{aside}")
        say(f"the gallery holds {held_in_words(counts, without)}")
    end_with_rejected(report.rejected, verbose=verbose, silent=json)


@app.command(epilog="**Example**\n\n    facesearch gallery compact")
def compact(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Give free space back to the disk, and leave nothing behind of what was deleted or removed.

    Templates that were taken out (`templates remove`, `enroll --sync`) are deleted, those set aside are kept.

    Database and index file are written anew; for a moment that takes as much space again.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        done = opened.compact()
    if json:
        print_json(done.document())
        return
    say(f"the gallery takes {bytes_in_words(done.after_bytes)} on disk (before: {bytes_in_words(done.before_bytes)})")
    if done.discarded:
        say(f"  {counted(done.discarded, 'template')} that had been taken out deleted for good")
    if done.kept:
        say(f"  {counted(done.kept, 'template')} set aside kept: templates remove, then compact, deletes them for good")
    if not done.wiped:
        say_that_pages_stay(done.on_server)
