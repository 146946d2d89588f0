"""facesearch cluster"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    DeviceOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    end_with_rejected,
    exit_rejected,
    print_json,
    print_table,
    progress_bar,
    say,
    say_listed,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.commands.sheet_files import check_place, check_sheet, write_sheets
from facesearch.errors import FacesearchError, UsageError
from facesearch.text.figures import counted, them

if TYPE_CHECKING:
    from facesearch.sorting.person_folders import FoldersReport
    from facesearch.sorting.photo_clusters import PhotoClusters

EXAMPLES = """
**Examples**

    facesearch cluster holiday/

    facesearch cluster holiday/ --to by-person            # by-person/001, 002, ... and alone

    facesearch cluster holiday/ --to by-person --link --sheet people.png

    facesearch cluster holiday/ --csv faces.csv
"""

_SHOWN_CLUSTERS = 20
_SHOWN_PATHS = 3


def cluster(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The photos, with those in folders inside it.", parser=given_path)
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Make this folder, with a folder of photos for each person: 001, 002, … and alone.",
            metavar="DIR",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="With --to: links to the photos in place of copies.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Write a table with a line for each face.",
            metavar="FILE",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            help="Write a contact sheet (.png, .jpg): a row for each person.",
            metavar="FILE",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="model[:precision][@backend]. Default: mobilefacenet.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Cosine from which on two faces may be one person's. Default: the encoder's.",
            show_default=False,
            min=0.0,
            max=1.0,
        ),
    ] = None,
    min_face: MinFaceOption = 40,
    workers: Annotated[
        int | None,
        typer.Option(help="Photos looked at at once. Default: one per core.", min=1, max=256, show_default=False),
    ] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Sort photos by the people in them. Nothing has to be enrolled, and nobody is named.

    All faces are found and compared; those of one person make a cluster, the largest first. Without --to, --csv,
    --sheet and --json a table of the clusters is printed. A photo of several people is in several folders. Photos with
    the same content count once.
    """
    set_up(verbose)
    if link and to is None:
        raise UsageError("--link goes with --to DIR")
    from facesearch.encoders import DEFAULT_MODEL
    from facesearch.sorting.by_person import cluster_photos
    from facesearch.sorting.person_folders import check_elsewhere, check_folder, write_folders

    if to is not None:
        check_folder(to, folder)
    if csv is not None:
        check_place(csv)
    if sheet is not None:
        check_sheet(sheet)
        check_elsewhere(sheet, folder)
    with progress_bar("looking for faces", quiet=json and not verbose) as progress:
        found = cluster_photos(
            folder,
            encoder=encoder or DEFAULT_MODEL,
            threshold=threshold,
            min_face=min_face,
            workers=workers,
            device=device,
            progress=progress,
        )
    folders, sheets = None, []
    if csv is not None:
        _write_csv(found, csv)
    if sheet is not None:
        with progress_bar("drawing", quiet=json and not verbose) as progress:
            sheets = write_sheets(found.sheets(progress), sheet)
    if to is not None:
        with progress_bar("writing folders", quiet=json and not verbose) as progress:
            folders = write_folders(found, to, link=link, progress=progress)
    rejected = found.rejected + (folders.gone if folders else [])
    if json:
        written = {
            "csv": None if csv is None else str(csv),
            "sheets": [str(path) for path in sheets],
            "folder": None if folders is None or folders.folder is None else str(folders.folder),
        }
        print_json(found.document() | written | {"rejected": [item.document() for item in rejected]})
        exit_rejected(len(rejected))
        return
    if to is None and csv is None and sheet is None:
        _show_table(found, verbose=verbose)
    _say_what_there_is(found, verbose=verbose)
    for path in [*([] if csv is None else [csv]), *sheets]:
        say(f"wrote {path}")
    if folders is not None:
        _say_folders(folders, link=link)
    elif sheet is not None and not sheets:
        say(f"no clusters: {sheet} was not written")
    end_with_rejected(rejected, verbose=verbose)


def _write_csv(found: PhotoClusters, path: Path) -> None:
    from facesearch.files.durable import write_atomically

    try:
        write_atomically(path, lambda file: file.write(found.csv().encode()))
    except OSError as error:
        raise FacesearchError(f"{path} cannot be written ({(error.strerror or str(error)).lower()})") from error


def _show_table(found: PhotoClusters, *, verbose: bool) -> None:
    clusters = found.clusters()
    shown = clusters if verbose else clusters[:_SHOWN_CLUSTERS]
    if not shown:
        return
    rows = [
        (found.label(number), f"{len(faces):,}", ", ".join(str(face.path) for face in faces[:_SHOWN_PATHS]))
        for number, faces in enumerate(shown, start=1)
    ]
    print_table(("cluster", "photos", "for example"), rows, right=("cluster", "photos"))
    if more := len(clusters) - len(shown):
        say(f"{counted(more, 'more cluster')}; -v lists {'it' if more == 1 else 'them all'}")


def _say_what_there_is(found: PhotoClusters, *, verbose: bool) -> None:
    looked = counted(found.photos, "photo")
    clusters, alone = found.clusters(), len(found.alone())
    if found.faces:
        say(
            f"{counted(len(found.faces), 'face')} in {looked}: "
            f"{counted(len(clusters), 'cluster')} of {counted(len(found.faces) - alone, 'face')}, {alone:,} alone"
        )
    else:
        say(f"no faces in {looked}")
    if found.copies:
        say_listed("left out, with the same content as another:", sorted(found.copies), verbose=verbose)
    if found.faceless and verbose:
        say_listed("no face:", [f"{item.path}: {item.reason}" for item in found.faceless], verbose=True)
    elif found.faceless:
        count = len(found.faceless)
        say(f"{counted(count, 'photo')} without a face; -v lists {them(count)}")
    if found.left_out:
        from facesearch.photos.sources import left_out_in_words

        say(left_out_in_words(found.left_out))


def _say_folders(folders: FoldersReport, *, link: bool) -> None:
    if folders.folder is None:
        say("nothing to put into folders: none was made")
        return
    written = counted(folders.photos, "photo")
    if folders.files > folders.photos:  # photos of several people
        written = f"{folders.files:,} {'links to' if link else 'copies of'} {written}"
    say(f"wrote {folders.folder}: {written} in {counted(len(folders.folders), 'folder')}")
    if folders.hard_links:
        say("the links are hard ones: there are no symbolic links on this file system")
