"""facesearch calibrate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    open_gallery,
    print_json,
    progress_bar,
    say,
    set_up,
)

EXAMPLES = """
**Examples**

    facesearch calibrate strangers/ --fpir 0.01

    facesearch calibrate visitors/ --gallery staff --fpir 0.001 --dry-run
"""


def calibrate(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Photos of people who are not enrolled: DIR/IDENTITY/IMAGE, or photos."),
    ],
    fpir: Annotated[
        float, typer.Option("--fpir", help="The share of strangers who may get somebody's name.", show_default=True)
    ] = 0.01,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the threshold would be, and keep none.")] = False,
    aligned: AlignedOption = None,
    min_face: MinFaceOption = 40,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Set the gallery's threshold from photos of people who are not in it.

    Every photo is searched for; the threshold is the lowest that so few of them reach. People in DIR whose name is
    enrolled are searched for as well, to say how many of them would be missed. Query warns when the gallery has
    grown so far that the rate no longer holds.
    """
    set_up(verbose)
    from facesearch.evaluation.calibration import calibrate
    from facesearch.pipeline.pipeline_spec import PipelineSpec

    with open_gallery(gallery, create=False) as opened:
        found = calibrate(
            opened,
            folder,
            fpir,
            aligned=aligned,
            pipeline=PipelineSpec(min_face=min_face),
            keep=not dry_run,
            stage=lambda text: progress_bar(text, quiet=json and not verbose),
        )
    result = found.calibration
    if json:
        print_json({**asdict(result), "before": found.before, "failed_to_enrol": found.failed, "kept": not dry_run})
        return
    kept = "would be" if dry_run else "is now"
    say(f"threshold  {kept} {result.threshold:.4f} (95 % {result.threshold_low:.4f} to {result.threshold_high:.4f})")
    say(f"before     {found.before:.4f}")
    say(f"strangers  {result.searches} photos of {result.people} people: {result.observed_fpir:.2%} get a name")
    if result.fnir is not None:
        say(f"enrolled   {result.mated} photos of people in the gallery: {result.fnir:.2%} are missed")
    say(f"holds for  {result.templates} templates of {result.identities} people, with {result.encoder}")
    if found.failed:
        say(f"no face    {found.failed} photos")
