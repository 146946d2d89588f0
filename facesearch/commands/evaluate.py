"""facesearch evaluate"""

from __future__ import annotations

import shlex
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    JsonOption,
    MinFaceOption,
    VerboseOption,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)

if TYPE_CHECKING:
    from facesearch.evaluation.extraction import Progress
    from facesearch.evaluation.results import Row, Run

EXAMPLES = """
**Examples**

    facesearch evaluate people/                                    # people/<identity>/<image>, as LFW and VGGFace2

    facesearch evaluate people/ --protocol open-set --index flat --index sq8

    facesearch evaluate lfw/ --protocol pairs --encoder edgeface-xs:fp32 --encoder edgeface-xs:int8

    facesearch evaluate celeba/ --layout celeba --limit 20000 --index pq64 --codec-training other-people/
"""

_FAILURES_SHOWN = 10


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Photos of people: DIR/IDENTITY/IMAGE, or CelebA.")],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="leave-one-out, gallery-probe, open-set, pairs, or cross-precision (FP32 against INT8)."
        ),
    ] = "leave-one-out",
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder", help="model[:precision][@backend]; repeatable. Default: dlib-resnet.", show_default=False
        ),
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option("--index", help="Kind of index; repeatable. Default: flat.", show_default=False, metavar="KIND"),
    ] = None,
    layout: Annotated[
        str, typer.Option("--layout", help="folders (IDENTITY/IMAGE), or celeba (with identity_CelebA.txt).")
    ] = "folders",
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            help="List for --protocol pairs: LFW's pairs.txt, or CSV. Default: DIR/pairs.txt.",
            show_default=False,
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
            help="Photos of other people, from which kinds that learn do so. Default: they learn from the gallery.",
            show_default=False,
        ),
    ] = None,
    min_face: MinFaceOption = 40,
    time_again: Annotated[
        bool, typer.Option("--time-again", help="Time the encoders anew, even if they were timed on this machine.")
    ] = False,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Keep the run for facesearch report.")] = True,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Measure encoders and kinds of index on photos of your own: accuracy, bytes and milliseconds, with intervals.

    Every encoder is combined with every kind. Templates are computed once and kept, so that more kinds, protocols or an
    interrupted run cost only what is new. Kept runs are shown by facesearch report.
    """
    set_up(verbose)
    from facesearch.evaluation.matrix import Request, evaluate
    from facesearch.evaluation.results import save_run

    def stage(text: str) -> AbstractContextManager[Progress]:
        if verbose or (not json and sys.stderr.isatty()):
            sys.stderr.write(f"{text} …\n")
        return progress_bar(text, quiet=json and not verbose)

    request = Request(
        folder=folder,
        encoders=tuple(encoder or ["dlib-resnet"]),
        kinds=tuple(index or ["flat"]),
        protocol=protocol,
        layout=layout,
        aligned=aligned,
        pairs=pairs,
        min_images=min_images,
        limit=limit,
        min_face=min_face,
        codec_training=codec_training,
        time_again=time_again,
        command=shlex.join(["facesearch", *sys.argv[1:]]),
    )
    run = evaluate(request, stage)
    path = save_run(run) if store else None
    if json:
        print_json(document(run, path))
        return
    show(run)
    if path is not None:
        say(f"kept as {run.id}: facesearch report")


def document(run: Run, path: Path | None) -> dict[str, object]:
    """A run for `--json`."""
    from facesearch.evaluation.records import to_document

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


def show(run: Run) -> None:
    """A run for people."""
    facts = run.dataset
    say(
        f"{facts.name}: {facts.images} images of {facts.identities} people ({facts.single} with one image), "
        f"{facts.duplicates} exact duplicates, {facts.unreadable} unreadable"
    )
    if run.failures:
        say(f"{len(run.failures)} images gave no template; they count as misses:")
        for failure in run.failures[:_FAILURES_SHOWN]:
            say(f"  {failure.path}: {failure.reason}")
    first = run.rows[0]
    counted = f"{first.probes} {'pairs' if run.protocol == 'pairs' else 'searches'} in {first.gallery_size} templates"
    say(f"{run.protocol}: {counted}" + (f", {first.non_mated} non-mated searches" if first.non_mated else ""))
    say("")
    columns = ["encoder", "index", *_rate_columns(run), "bytes/template", "saving", "codec cosine", "encode", "search"]
    print_table(columns, [_cells(run, row) for row in run.rows], right=columns[2:])
    learnt = sorted({f"{row.index} learnt from {row.codec_training}" for row in run.rows if row.codec_training})
    for text in learnt:
        say(text)


def _rate_columns(run: Run) -> list[str]:
    if run.protocol == "pairs":
        return ["accuracy", "95 %", "TAR at FAR 0.01"]
    if run.protocol == "open-set":
        return ["FNIR at FPIR 0.01", "95 %", "top-1"]
    return ["top-1", "95 %", "to FP32 flat"]


def _cells(run: Run, row: Row) -> list[str]:
    encoder = row.encoder if row.probe_encoder is None else f"{row.encoder} asked by {row.probe_encoder}"
    if run.protocol == "pairs":
        tar = next((rate.tar for rate in row.accept_rates if rate.far == 0.01), None)
        rates = [_rate(row.accuracy), _span(row.accuracy_ci), _rate(tar)]
    elif run.protocol == "open-set":
        point = next(point for point in row.operating_points if point.fpir == 0.01)
        rates = [_rate(point.fnir), _span(point.fnir_ci), _rate(row.top1)]
    else:
        delta = row.top1_delta_vs_fp32
        rates = [_rate(row.top1), _span(row.top1_ci), "–" if delta is None else f"{100 * delta:+.2f}"]
    return [
        encoder,
        row.index,
        *rates,
        f"{row.bytes_per_template:.1f}",
        f"{row.storage_saving:.1%}",
        f"{row.cosine_fidelity_codec:.4f}",
        f"{row.encode_ms:.1f} ms",
        f"{row.search_ms:.2f} ms",
    ]


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.4f}–{interval[1]:.4f}"
