"""facesearch evaluate"""

from __future__ import annotations

import shlex
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import AlignedOption, MinFaceOption, progress_bar, say, tell
from facesearch.commands.output import Output, output_options
from facesearch.commands.paths import given_path
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.evaluation.extraction import Progress
    from facesearch.evaluation.results import Run

EXAMPLES = """
**Examples**

    facesearch evaluate people/                                    # people/<identity>/<image>, as LFW and VGGFace2

    facesearch evaluate people/ --protocol open-set --index flat --index sq8

    facesearch evaluate lfw/ --protocol pairs --encoder edgeface-xs:fp32 --encoder edgeface-xs:int8

    facesearch evaluate strangers/ --protocol false-match --layout photos --groups people.csv

    facesearch evaluate celeba/ --layout celeba --limit 20000 --index pq64 --codec-training other-people/
"""

_FAILURES_SHOWN = 10


@output_options
def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Photos of people: DIR/IDENTITY/IMAGE, or CelebA.", parser=given_path)
    ],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            help="leave-one-out, gallery-probe, open-set, pairs, false-match, or cross-precision (FP32 against INT8).",
        ),
    ] = "leave-one-out",
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder", help="model[:precision][@backend]; repeatable. Default: mobilefacenet.", show_default=False
        ),
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option("--index", help="Kind of index; repeatable. Default: flat.", show_default=False, metavar="KIND"),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            help="folders (IDENTITY/IMAGE), celeba (with identity_CelebA.txt), or photos (each of another person).",
        ),
    ] = "folders",
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            metavar="FILE",
            help="List for --protocol pairs: LFW's pairs.txt, or CSV. Default: DIR/pairs.txt.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            "--groups",
            metavar="FILE",
            help="CSV for --protocol false-match: path, and labels such as age. Default: UTKFace's file names.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    aligned: AlignedOption = None,
    min_images: Annotated[
        int, typer.Option("--min-images", help="Search only for people with so many images; all are enrolled.", min=1)
    ] = 2,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", help="Take the first so many images, or so many pairs of the list.", min=1, show_default=False
        ),
    ] = None,
    codec_training: Annotated[
        Path | None,
        typer.Option(
            "--codec-training",
            metavar="DIR",
            help="Photos of other people, from which kinds that learn do so. Default: nobody, as in galleries.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    min_face: MinFaceOption = 40,
    time_again: Annotated[
        bool, typer.Option("--time-again", help="Time the encoders anew, even if they were timed on this machine.")
    ] = False,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Keep the run for facesearch report.")] = True,
    *,
    output: Output,
) -> None:
    """Measure encoders and kinds of index on photos of your own: accuracy, bytes and milliseconds, with intervals.

    Every encoder is combined with every kind. Templates are computed once and kept, so that more kinds, protocols or an
    interrupted run cost only what is new. Kept runs are shown by facesearch report.
    """
    from facesearch.caches.in_use import in_use
    from facesearch.encoders import DEFAULT_MODEL
    from facesearch.evaluation.matrix import Request, evaluate
    from facesearch.evaluation.results import save_run
    from facesearch.pipeline.pipeline_spec import PipelineSpec
    from facesearch.report.texts import printable

    def stage(text: str) -> AbstractContextManager[Progress]:
        if output.verbose or (output.for_people and sys.stderr.isatty()):
            tell(f"{text} …")
        return progress_bar(text, quiet=not (output.for_people or output.verbose))

    request = Request(
        folder=folder,
        encoders=tuple(encoder or [DEFAULT_MODEL]),
        kinds=tuple(index or ["flat"]),
        protocol=protocol,
        layout=layout,
        aligned=aligned,
        pairs=pairs,
        groups=groups,
        min_images=min_images,
        limit=limit,
        pipeline=PipelineSpec(min_face=min_face),
        codec_training=codec_training,
        time_again=time_again,
        command=shlex.join(["facesearch", *sys.argv[1:]]),
    )
    with in_use():  # until the run is stored as well
        run = evaluate(request, stage)
        path = save_run(run) if store else None
    if output.for_people:
        describe(run)
    output.show(replace(printable([run]), document=lambda: document(run, path)))
    if output.for_people:
        for text in sorted({f"{row.index} learnt from {row.codec_training}" for row in run.rows if row.codec_training}):
            say(text)
        if path is not None:
            say(f"kept as {run.id}: facesearch report")


def document(run: Run, path: Path | None) -> dict[str, object]:
    """A run for `--json`."""
    from facesearch.evaluation.json_documents import to_document

    return {
        "run": run.id,
        "created_at": run.created_at,
        "command": run.command,
        "protocol": run.protocol,
        "data_set": to_document(run.dataset),
        "versions": {each.name: each.version for each in run.versions},
        "machine": to_document(run.machine),
        "seconds": run.seconds,
        "stored": str(path) if path else None,
        "rows": [row.document() for row in run.rows],
        "failures": to_document(run.failures),
    }


def describe(run: Run) -> None:
    """For people: what was measured, and which photos could not be."""
    facts = run.dataset
    held = f"{counted(facts.images, 'image')} of {counted(facts.identities, 'person', 'people')}"
    twice = counted(facts.duplicates, "exact duplicate")
    say(f"{facts.name}: {held} ({facts.single:,} with one image), {twice}, {facts.unreadable:,} unreadable")
    if run.failures:
        say(f"{counted(len(run.failures), 'image')} without a template; each counts as a miss:")
        for failure in run.failures[:_FAILURES_SHOWN]:
            say(f"  {failure.path}: {failure.reason}")
