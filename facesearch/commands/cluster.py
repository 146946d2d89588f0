"""facesearch cluster"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    DeviceOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    end_with_rejected,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted

EXAMPLES = """
**Examples**

    facesearch cluster holiday/                      # how many people, how often

    facesearch cluster holiday/ --to people --link   # people/001, people/002, …, people/alone

    facesearch cluster holiday/ --csv faces.csv
"""

_SHOWN = 20  # clusters, without -v


def cluster(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders of photos, or photos.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Put copies of the photos into folders 001, 002, … and alone in DIR, which is new or empty.",
            show_default=False,
        ),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="With --to: links in place of copies.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Write a new file with a line for each face: path, x, y, w, h, cluster.",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="model[:precision][@backend]. Default: mobilefacenet.", show_default=False),
    ] = None,
    min_face: MinFaceOption = 40,
    quality: Annotated[
        str, typer.Option(help="Which faces count: standard, none that is turned or badly blurred; off, all.")
    ] = "standard",
    workers: Annotated[
        int | None, typer.Option(help="Threads to use. Default: one per core.", min=1, max=256, show_default=False)
    ] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Sort the photos of a folder by the people in them, without a gallery: nobody is named, nothing is stored.

    Faces that look like one person are a cluster; two faces of one photo are never in one. A photo of several people is
    in the folder of each. The photos themselves stay as they are, and no file is overwritten.
    """
    set_up(verbose)
    if link and to is None:
        raise UsageError("--link says how photos are put into a folder: name it with --to DIR")
    from facesearch.encoders import DEFAULT_MODEL
    from facesearch.gallery.folder_clusters import check_target, clustered, write_csv, write_folders
    from facesearch.photos.sources import left_out_in_words, of_anybody
    from facesearch.pipeline.fit_to_enrol import quality_profile
    from facesearch.pipeline.pipeline_spec import PipelineSpec
    from facesearch.pipeline.sessions import shared_pipeline

    spec = PipelineSpec(min_face=min_face, quality=quality_profile(quality))
    if to is not None:
        check_target(to, folders)
    if csv is not None and csv.exists():
        raise UsageError(f"{csv} is there already, and nothing is overwritten: choose another name")
    sources = of_anybody(folders)
    pipeline = shared_pipeline(encoder or DEFAULT_MODEL, spec, threads=1, device=device)
    with progress_bar("looking for faces", quiet=json and not verbose) as progress:
        found = clustered(pipeline, sources.photos, in_processes=device == "cpu", workers=workers, progress=progress)
    found.rejected = sources.rejected + found.rejected
    if to is not None:
        write_folders(found, to, link=link)
    if csv is not None:
        write_csv(found, csv)
    if json:
        print_json(found.document() | {"left_out": dict(sources.left_out.most_common())})
    else:
        shown = found.sizes if verbose else found.sizes[:_SHOWN]
        if shown:
            print_table(("cluster", "photos"), list(enumerate(shown, start=1)), right=("cluster", "photos"))
        if len(shown) < len(found.sizes):
            say(f"{len(found.sizes) - len(shown)} smaller ones; -v lists them all")
        people = counted(len(found.sizes), "cluster")
        say(f"{counted(len(found.faces), 'face')} in {counted(found.photos, 'photo')}: {people}, {found.alone} alone")
        if found.unfit:
            say(f"left out {counted(found.unfit, 'face')} that {'is' if found.unfit == 1 else 'are'} turned or blurred")
        if found.without:
            say(f"{counted(found.without, 'photo')} without a face to go by")
        if sources.left_out:
            say(left_out_in_words(sources.left_out))
        if to is not None:
            say(f"{'linked' if link else 'copied'} to {to}")
        if csv is not None:
            say(f"written to {csv}")
    end_with_rejected(found.rejected, verbose=verbose, silent=json)
