"""facesearch query, facesearch verify"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    DeviceOption,
    EncoderOption,
    FaceOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    ScoreOption,
    ThresholdOption,
    VerboseOption,
    exit_rejected,
    open_gallery,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)
from facesearch.errors import RejectedImageError, UsageError
from facesearch.files.locations import default_gallery
from facesearch.text.figures import place

if TYPE_CHECKING:
    from facesearch.gallery.answers import FaceAnswer

QUERY_EXAMPLES = """
**Examples**

    facesearch query visitor.jpg

    facesearch query group.jpg --all-faces -k 3

    facesearch query *.jpg --json

    facesearch query visitor.jpg --only-tag staff

    facesearch query visitors/                    # every photo in it and in the folders inside it

    facesearch query - < visitor.jpg
"""
VERIFY_EXAMPLES = """
**Example**

    facesearch verify passport.jpg selfie.jpg
"""


_BATCH = 256  # photos whose faces are searched for at once


def query(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Photos of people to be named, folders of such; -: standard input."),
    ],
    k: Annotated[int, typer.Option("-k", help="Candidates per face.", min=1, max=1000)] = 5,
    threshold: ThresholdOption = None,
    score: ScoreOption = None,
    all_faces: Annotated[
        bool, typer.Option("--all-faces", help="Answer for every face, not just the most prominent one.")
    ] = False,
    face: FaceOption = None,
    fused: Annotated[
        bool, typer.Option("--fused", help="Compare with one template per person, fused of all of theirs.")
    ] = False,
    only_tag: Annotated[
        list[str] | None,
        typer.Option("--only-tag", help="Search among the people with this tag alone; repeatable: with any of them."),
    ] = None,
    aligned: AlignedOption = None,
    encoder: EncoderOption = None,
    min_face: MinFaceOption = 40,
    device: DeviceOption = "cpu",
    threads: Annotated[
        int,
        typer.Option("--threads", help="Threads that encoding and searching may take; 0: all cores.", min=0, max=1024),
    ] = 0,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Who is this? The most similar identities for each photo, or "unknown".

    Of a photo with several faces the most prominent one counts, and the answer says so: --all-faces answers for all,
    --face for another one.
    """
    set_up(verbose)
    if face is not None and (all_faces or aligned is not None):
        raise UsageError("--face chooses one face: without --all-faces and --aligned")
    from facesearch.gallery.groups import Tagged
    from facesearch.photos.sources import left_out_in_words, of_anybody
    from facesearch.pipeline.pipeline import Stopwatch

    watch = Stopwatch()
    sources = of_anybody(images)
    photos = sources.photos
    rejected = [asdict(item) for item in sources.rejected]
    probes: list[dict[str, object]] = [{"path": item.path, "faces_found": 0, "faces": []} for item in sources.rejected]
    with (
        open_gallery(
            gallery, create=False, encoder=encoder, min_face=min_face, device=device, threads=threads
        ) as opened,
        progress_bar("searching", quiet=len(photos) < 5) as progress,
    ):
        if threshold is None and score in (None, opened.score) and (warning := opened.outgrown()):
            logging.getLogger("facesearch").warning("%s", warning)
        for first in range(0, len(photos), _BATCH):  # answers of many photos come as they are found
            some = photos[first : first + _BATCH]
            found = opened.identify_photos(
                [photo.path if photo.pixels is None else photo.pixels for photo in some],
                k,
                threshold=threshold,
                score=score,
                everyone=all_faces,
                face=face,
                aligned=aligned,
                fused=fused,
                among=Tagged(*only_tag) if only_tag else None,
                watch=watch,
                progress=_continued(progress, first, len(photos)),
            )
            for photo, answers in zip(some, found, strict=True):
                image = photo.path
                if isinstance(answers, RejectedImageError):
                    rejected.append({"path": str(image), "reason": str(answers)})
                    answers = []
                count = answers[0].found if answers else 0
                faces = [answer.document() for answer in answers]
                probes.append({"path": str(image), "faces_found": count, "faces": faces})
                if not json:
                    _show(image, answers)
    if json:
        timing = {stage: round(watch.spent.get(stage, 0.0), 3) for stage in ("detect", "encode", "search")}
        left_out = dict(sources.left_out.most_common())
        print_json({"probes": probes, "rejected": rejected, "left_out": left_out, "timing_ms": timing})
    else:
        if sources.left_out:
            say(left_out_in_words(sources.left_out))
        for item in rejected:
            say(f"rejected {item['path']}: {item['reason']}")
    exit_rejected(len(rejected))


def _continued(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    """The progress of a part of the photos as progress of all."""
    return lambda done, _: progress(before + done, total)


def _show(image: Path, answers: list[FaceAnswer]) -> None:
    for answer in answers:
        where = f", face {answer.number} of {answer.found} ({place(answer.box)})" if answer.found > 1 else ""
        verdict = answer.candidates[0].identity if answer.is_match else "unknown"
        if answer.ignored:
            verdict = "ignored"
        if answer.yields_to is not None:
            verdict += f", as face {answer.yields_to} is more like {answer.candidates[0].identity}"
        say(f"{image}{where}: {verdict}  (threshold {answer.threshold:.3f})")
        rows = [(each.rank, f"{each.score:.4f}", f"{each.similarity:.4f}", each.identity) for each in answer.candidates]
        print_table(("rank", "score", "similarity", "identity"), rows, right=("rank", "score", "similarity"))


def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="One photo.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another photo.")],
    face_a: Annotated[
        str | None, typer.Option("--face-a", help="Which face of A: a number or X,Y.", metavar="N|X,Y")
    ] = None,
    face_b: Annotated[
        str | None, typer.Option("--face-b", help="Which face of B: a number or X,Y.", metavar="N|X,Y")
    ] = None,
    threshold: ThresholdOption = None,
    score: ScoreOption = None,
    aligned: AlignedOption = None,
    encoder: EncoderOption = None,
    min_face: MinFaceOption = 40,
    device: DeviceOption = "cpu",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Do two photos show the same person? Nothing has to be enrolled.

    Where there is a gallery, its encoder, threshold and people are used, else the default encoder alone. Of photos with
    several faces the two most alike are compared, and the answer says which.
    """
    set_up(verbose)
    from facesearch.photos.sources import refuse_url
    from facesearch.store import DATABASE_NAME

    for path in (a, b):
        refuse_url(path)
    if ((gallery or default_gallery()) / DATABASE_NAME).exists():
        with open_gallery(gallery, create=False, encoder=encoder, min_face=min_face, device=device) as opened:
            answer = opened.verify(
                a, b, threshold=threshold, score=score, aligned=aligned, face_a=face_a, face_b=face_b
            )
    else:
        from facesearch.encoders import DEFAULT_MODEL, load_encoder
        from facesearch.faces import chosen_face
        from facesearch.gallery.arguments import score as checked
        from facesearch.gallery.scoring import Rule
        from facesearch.gallery.verification import verify as verify_images
        from facesearch.pipeline.pipeline import Pipeline
        from facesearch.pipeline.pipeline_spec import PipelineSpec

        loaded = load_encoder(encoder or DEFAULT_MODEL, device=device)
        limit = loaded.threshold if threshold is None else threshold
        rule = Rule.asked(loaded.spec.model, None if score is None else checked(score))
        answer = verify_images(
            Pipeline(loaded, PipelineSpec(min_face=min_face)),
            a,
            b,
            lambda templates: (limit, rule.by_cohorts(templates)),
            aligned=aligned,
            face_a=chosen_face(face_a),
            face_b=chosen_face(face_b),
        )
    if json:
        print_json(answer.document())
    else:
        verdict = "the same person" if answer.same else "not the same person"
        say(
            f"{verdict}: score {answer.score:.4f}, similarity {answer.similarity:.4f}, threshold {answer.threshold:.3f}"
        )
        for path, face in zip((a, b), answer.faces, strict=True):
            if face.found > 1:
                say(f"  compared face {face.number} of {face.found} in {path} ({place(face.box)})")
