"""facesearch index"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    bytes_in_words,
    open_gallery,
    print_json,
    progress_bar,
    say,
    set_up,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch import Gallery
    from facesearch.store import PublishedInfo

app = typer.Typer(help="The index that answers searches: see it, change its kind, check it.", no_args_is_help=True)


@app.command(epilog="**Example**\n\n    facesearch index show")
def show(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Kind, size and state of the index."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        info, index, vectors = opened.info(), opened.index_info(), opened.vectors_info()
        published = opened.published_info()
    if json:
        stored = {
            "index": info.index,
            "codec": info.codec,
            "templates": info.templates,
            "index_bytes": info.index_bytes,
        }
        on_server = {
            "vectors": None if vectors is None else asdict(vectors),
            "published": None if published is None else asdict(published),
        }
        print_json({**stored, **index.document(), **on_server})
        return
    held = counted(info.templates, "template")
    say(f"index {info.index}, {held}, {index.bytes_per_template:g} bytes each in the index")
    if index.answering != info.index:
        say(f"  too few templates for {info.index}: an exact {index.answering} index answers until there are more")
    files = "(none yet)" if index.file_name is None else index.file_name
    more = f" and {index.files - 1} more" if index.files > 1 else ""
    say(f"  file {files}{more}, {bytes_in_words(info.index_bytes)}; store codec {info.codec}")
    if index.replayed:
        say(f"  {counted(index.replayed, 'change')} since the file was written, replayed at each opening")
    if vectors is not None:
        say(
            f"  for searches in the database: {counted(vectors.rows, 'vector')}, {bytes_in_words(vectors.bytes)}, "
            + ("found by an index" if vectors.indexed else "all of them compared")
        )
    if published is not None:
        say(f"  {_published(published)}")


def _published(info: PublishedInfo) -> str:
    """What is published, in a line."""
    if not info.fits:
        return "what was published is of another kind of index, and is not used"
    if not info.files:
        return "nothing is published any more: facesearch index publish puts files there"
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.published_at))
    lacking = f", {counted(info.lacking, 'template')} fewer than there are" if info.lacking else ""
    return (
        f"published {at}: {counted(info.files, 'file')} of {counted(info.templates, 'template')}"
        f"{lacking}, up to template {info.last_template_id}; {bytes_in_words(info.bytes)} in the database"
    )


@app.command(epilog="**Examples**\n\n    facesearch index build --kind sq8\n\n    facesearch index build   # repair")
def build(
    kind: Annotated[
        str | None,
        typer.Option(
            help="flat, sq8, tcq64, … (docs/reference/indexes.md). Default: the present kind.",
            show_default=False,
        ),
    ] = None,
    keep_originals: Annotated[
        str | None,
        typer.Option(
            help="Templates to keep beside the codes of the index: fp32, fp16, int8, none. Default: none; "
            "flat stores fp32, sq8 int8.",
            show_default=False,
            metavar="CODEC",
        ),
    ] = None,
    relearn: Annotated[
        bool, typer.Option("--relearn", help="Code all templates anew, with the codebook of this version.")
    ] = False,
    search: Annotated[
        str,
        typer.Option(
            help="database: make a gallery on a server ready for query --search database, instead of index files.",
            metavar="WHERE",
        ),
    ] = "projection",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build the index anew from the stored templates, also as another kind. No photo is read, nothing is encoded."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        before = opened.info()
        with progress_bar("building") as progress:
            opened.build_index(kind, keep=keep_originals, relearn=relearn, search=search, progress=progress)
        info, vectors = opened.info(), opened.vectors_info()
    if json:
        print_json(
            {
                "index": info.index,
                "codec": info.codec,
                "templates": info.templates,
                "index_bytes": info.index_bytes,
                "database_bytes": info.database_bytes,
            }
        )
        return
    if search == "database" and vectors is not None:
        say(f"made {counted(vectors.rows, 'vector')} for searches in the database, {bytes_in_words(vectors.bytes)}")
        return
    size = bytes_in_words(info.index_bytes + info.database_bytes)
    was = bytes_in_words(before.index_bytes + before.database_bytes)
    say(
        f"built {info.index} of {counted(info.templates, 'template')}; the gallery takes {size} on disk (before: {was})"
    )
    if info.codec != before.codec:
        say(f"  templates are stored as {info.codec} now (before: {before.codec})")


@app.command(epilog="**Example**\n\n    facesearch index drop --search database")
def drop(
    search: Annotated[
        str,
        typer.Option(
            help="database: what index build --search database made in a gallery on a server.", metavar="WHERE"
        ),
    ],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Drop what was built for searches in the database; the disk of the server has its bytes back at once."""
    set_up(verbose)
    if search != "database":
        raise UsageError("index files are deleted by facesearch cache clear: --search is database here")
    with open_gallery(gallery, create=False) as opened:
        vectors = opened.vectors_info()
        dropped = opened.drop_vectors()
    if json:
        print_json({"dropped": dropped})
        return
    size = "" if vectors is None else f" ({bytes_in_words(vectors.bytes)})"
    say(f"dropped what was built for searches in the database{size}" if dropped else "there was nothing to drop")


@app.command(
    epilog="**Examples**\n\n    facesearch index publish\n\n    facesearch index publish --withdraw",
)
def publish(
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Delete what was published.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Put this machine's index files into the database of a gallery on a server, for machines that have none.

    A new machine takes them from there at its first question, instead of fetching all templates and building its own.
    Files that are there already stay; of what was added since, machines read the templates. Whoever is forgotten goes
    from them at once: run it again from time to time.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        if withdraw:
            _withdraw(opened, json=json)
            return
        with progress_bar("publishing") as progress:
            info = opened.publish_index(progress)
    if json:
        print_json(asdict(info))
    else:
        say(_published(info))


def _withdraw(opened: Gallery, *, json: bool) -> None:
    wiped = opened.withdraw_index()
    if json:
        print_json({"withdrawn": wiped is not None, "database_wiped": wiped is not False})
    elif wiped is None:
        say("no index files are published")
    else:
        say("no index files are published any more")
        if not wiped:
            say("  old pages stay until the owner of the tables runs facesearch gallery compact")


@app.command(epilog="**Example**\n\n    facesearch index check || facesearch index build")
def check(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Compare database and index file with each other and with their checksums; status 1 on damage."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        problems = opened.check()
    if json:
        print_json({"ok": not problems, "problems": problems})
    else:
        for line in problems or ["database and index are sound and agree"]:
            say(line)
    if problems:
        raise typer.Exit(1)
