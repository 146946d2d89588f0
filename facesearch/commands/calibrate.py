"""facesearch calibrate"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    end_with_rejected,
    open_gallery,
    print_json,
    progress_bar,
    say,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.errors import UsageError
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.evaluation.extraction import Progress
    from facesearch.evaluation.folder_photos import Reading

log = logging.getLogger("facesearch")

EXAMPLES = """
**Examples**

    facesearch calibrate strangers/ --fpir 0.01

    facesearch calibrate visitors/ --gallery staff --fpir 0.001 --dry-run

    facesearch calibrate --cohort other-children/ --gallery family
"""


def calibrate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Photos of people who are not enrolled: DIR/IDENTITY/IMAGE, or photos.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    fpir: Annotated[
        float, typer.Option("--fpir", help="The share of strangers who may get somebody's name.", show_default=True)
    ] = 0.01,
    score: Annotated[
        str | None,
        typer.Option("--score", help="Decide by this score from now on: cosine, or normalised.", metavar="SCORE"),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            "--cohort",
            help="Photos of other people, of the kind that is confused, to normalise scores with; none: forget them.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the threshold would be, and keep none.")] = False,
    aligned: AlignedOption = None,
    min_face: MinFaceOption = 40,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Set the gallery's threshold from photos of people who are not in it, and how its scores are normalised.

    Every photo is searched for; the threshold is the lowest that so few of them reach. People in DIR whose name is
    enrolled are searched for as well, to say how many of them would be missed. Query warns when the gallery has
    grown so far that the rate no longer holds. The templates of a cohort are kept in the gallery, without names, until
    another one takes their place or `--cohort none` removes them; a threshold that was calibrated without them is kept,
    but no longer counts as calibrated.
    """
    set_up(verbose)
    from facesearch.evaluation.calibration import calibrate, read_strangers
    from facesearch.evaluation.cohorts import check_apart, read_cohort
    from facesearch.gallery.arguments import score as checked
    from facesearch.gallery.scoring import Rule
    from facesearch.pipeline.pipeline_spec import PipelineSpec

    def stage(text: str) -> AbstractContextManager[Progress]:
        return progress_bar(text, quiet=json and not verbose)

    if cohort == "":
        raise UsageError("--cohort is empty: name a folder, or none")
    if folder is None and cohort is None:
        raise UsageError("name photos of people who are not enrolled (DIR), or a cohort (--cohort DIR)")
    if dry_run and cohort is not None:
        raise UsageError("--dry-run does not go with --cohort: a cohort is kept")
    how: Reading = {"aligned": aligned, "pipeline": PipelineSpec(min_face=min_face), "stage": stage}
    with open_gallery(gallery, create=False) as opened:
        # all photos are read before anything is changed
        if score is not None:
            Rule.asked(opened.encoder_spec.model, checked(score))
        removed = cohort == "none"
        others = None if cohort is None or removed else read_cohort(opened, Path(cohort), **how)
        strangers = None if folder is None else read_strangers(opened, folder, fpir, **how)
        kept = None if removed else opened.cohort()
        compared = others.templates if others is not None else None if kept is None else kept.templates
        if strangers is not None and compared is not None:
            check_apart(strangers, compared)
        before, threshold = opened.calibration(), opened.threshold
        if score is not None and not dry_run:
            opened.set_score(score)
        if others is not None:
            opened.set_cohort(others.templates, others.source)
        elif removed:
            opened.remove_cohort()
        faces = 0 if compared is None else len(compared)
        if cohort is not None and not json:
            say(f"cohort     {counted(faces, 'face')}" if faces else "cohort     none; backups made before may hold it")
        if faces and (score or opened.score) == "cosine":
            log.warning(
                "the cohort has no effect while the gallery decides by the cosine: gallery set --score normalised"
            )
        rejected = [*(others.rejected if others else ()), *(strangers.rejected() if strangers else ())]
        held: dict[str, object] = {"cohort": faces, "score": score or opened.score}
        held["rejected"] = [item.document() for item in rejected]
        if strangers is None:
            if json:
                print_json(held)
            elif before is not None and opened.calibration() is None:
                say(f"threshold  {before.threshold:.4f} as before; it was calibrated with other scores: calibrate DIR")
            end_with_rejected(rejected, verbose=verbose, silent=json)
            return
        found = calibrate(opened, strangers, fpir, score=score, keep=not dry_run, stage=stage)
    result = found.calibration
    if json:
        more = {"before": threshold, "failed_to_enrol": found.failed, "kept": not dry_run}
        print_json({**asdict(result), **more, **held})
        end_with_rejected(rejected, verbose=verbose, silent=True)
        return
    verb = "would be" if dry_run else "is now"
    say(f"threshold  {verb} {result.threshold:.4f} (95 % {result.threshold_low:.4f} to {result.threshold_high:.4f})")
    say(f"before     {threshold:.4f}")
    strangers_asked = f"{counted(result.searches, 'photo')} of {counted(result.people, 'person', 'people')}"
    say(f"strangers  {strangers_asked}: {result.observed_fpir:.2%} get a name")
    if result.fnir is not None:
        say(f"enrolled   {counted(result.mated, 'photo')} of people in the gallery: {result.fnir:.2%} are missed")
    holds = f"{counted(result.templates, 'template')} of {counted(result.identities, 'person', 'people')}"
    say(f"holds for  {holds}, with {result.encoder}")
    end_with_rejected(rejected, verbose=verbose)
