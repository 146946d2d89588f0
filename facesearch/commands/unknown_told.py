"""What was collected and what is in the inbox, told to people and programs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.commands.common import SHOWN, end_with_rejected, print_json, print_table, progress_bar, say
from facesearch.commands.sheet_files import all_or_none
from facesearch.errors import FacesearchError, UsageError
from facesearch.text.figures import counted, them

if TYPE_CHECKING:
    from facesearch.gallery.answers import Candidate
    from facesearch.gallery.collecting import CollectionReport
    from facesearch.gallery.unknown_list import UnknownList
    from facesearch.photos.sources import Sources


def end_with_collected(report: CollectionReport, held: int, sources: Sources, *, json: bool, verbose: bool) -> None:
    """Print what was collected, and end with its status. held: faces in the inbox."""
    if json:
        print_json(report.document() | {"inbox": held, "left_out": dict(sources.left_out.most_common())})
    else:
        looked = counted(report.photos, "photo")
        skipped = f"skipped {report.skipped:,} seen before"
        once_more = f" (--again looks at {them(report.skipped)} again)" if report.skipped else ""
        say(f"collected {counted(report.faces, 'unknown face')} from {looked}, {skipped}{once_more}")
        others = (
            (report.matched, "of people enrolled"),
            (report.ignored, "of people who are ignored"),
            (report.poor, "too poor"),
            (report.known, "in the inbox or enrolled already"),
        )
        if left := [f"{count:,} {what}" for count, what in others if count]:
            say(f"faces not kept: {', '.join(left)}")
        if sources.left_out:
            from facesearch.photos.sources import left_out_in_words

            say(left_out_in_words(sources.left_out))
        more = ": facesearch unknown cluster groups them" if report.faces else ""
        say(f"the inbox holds {counted(held, 'unknown face')}{more}")
    end_with_rejected(report.rejected, verbose=verbose, silent=json)


def say_listed_faces(found: UnknownList, held: int, *, like: str | None, verbose: bool) -> None:
    """The inbox as tables, or what of it is `like` a person; without `verbose`, the first faces that are alone. held:
    how many faces there are in all."""
    if like is not None and held and not found.faces:
        none = "the one unknown face does not look" if held == 1 else f"none of the {held:,} unknown faces looks"
        say(f"{none} like {like}")
        return
    if found.clusters:
        rows = [
            (
                cluster.number,
                len(cluster.faces),
                suggestion(cluster.nearest, cluster.alike),
                " ".join(f"f{each.face.id}" for each in cluster.faces[: None if verbose else 3])
                + ("" if verbose or len(cluster.faces) <= 3 else " …"),
            )
            for cluster in found.clusters
        ]
        print_table(("cluster", "faces", "nearest", "numbers"), rows, right=("cluster", "faces"))
    alone = found.alone if verbose else found.alone[:SHOWN]
    if alone:
        if found.clusters:
            say("")
        rows_alone = [(f"f{each.face.id}", suggestion(each.nearest, int(each.alike)), each.face.path) for each in alone]
        print_table(("alone", "nearest", "photo"), rows_alone, right=("alone",))
    if len(alone) < len(found.alone):
        say(f"{len(found.alone) - len(alone):,} more alone; -v lists them all")
    clusters = counted(len(found.clusters), "cluster")
    say(f"{counted(found.faces, 'unknown face')}: {clusters}, {len(found.alone):,} alone")
    if like is not None and found.faces > 1:
        alike = found.alike(like)
        these = "all of them" if alike == found.faces else f"{alike:,} of these {found.faces:,} faces"
        say(f"{these} {'looks' if alike == 1 else 'look'} like {like}")


def suggestion(nearest: Candidate | None, alike: int) -> str:
    """The nearest person enrolled; a star where a face looks like them."""
    if nearest is None:
        return ""
    return f"{nearest.identity} {nearest.score:.3f}{' *' if alike else ''}"


def write_sheets(found: UnknownList, folder: Path) -> list[Path]:
    """Write contact sheets into a folder, which is made if it is not there, for their owner alone: all or none."""
    from facesearch.files.durable import write_atomically
    from facesearch.files.permissions import make_private_folder
    from facesearch.gallery.unknown_sheet import sheets

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder: contact sheets are several pictures")
    wanted = [(f"cluster-{each.number}", f"cluster {each.number}", each.faces) for each in found.clusters]
    if found.alone:
        wanted.append(("alone", "alone", found.alone))
    is_new = not folder.exists()
    try:
        if is_new:
            make_private_folder(folder)
        with all_or_none() as written, progress_bar("drawing", quiet=found.faces < 50) as progress:
            for done, (name, title, faces) in enumerate(wanted, start=1):
                for number, sheet in enumerate(sheets(title, faces), start=1):
                    place = folder / (f"{name}.png" if number == 1 else f"{name}-{number}.png")
                    write_atomically(place, lambda file: sheet.save(file, "PNG"))  # noqa: B023 - called here
                    written.append(place)
                progress(done, len(wanted))
    except OSError as error:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise FacesearchError(f"{folder} cannot be written to ({(error.strerror or str(error)).lower()})") from error
    return written
