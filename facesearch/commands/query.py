"""facesearch query"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    ConsistencyOption,
    DeviceOption,
    EncoderOption,
    FaceOption,
    FrameRateOption,
    GalleryOption,
    JsonOption,
    MinFaceOption,
    ProbeQualityOption,
    ScoreOption,
    SearchOption,
    ShardsOption,
    StaleForOption,
    ThresholdOption,
    VerboseOption,
    addresses,
    exit_rejected,
    open_gallery,
    print_json,
    progress_bar,
    say,
    say_age,
    set_up,
)
from facesearch.commands.face_told import document_of, show_candidates, verdict
from facesearch.commands.paths import given_path
from facesearch.commands.query_sheet import entry_of, write_sheets
from facesearch.commands.sheet_files import check_sheet
from facesearch.errors import RejectedImageError, UsageError
from facesearch.text.figures import place

if TYPE_CHECKING:
    from facesearch.gallery.answers import FaceAnswer
    from facesearch.gallery.contact_sheet import SheetEntry
    from facesearch.gallery.stranger_rates import StrangerRates

EXAMPLES = """
**Examples**

    facesearch query visitor.jpg

    facesearch query group.jpg --all-faces -k 3

    facesearch query *.jpg --json

    facesearch query visitor.jpg --only-tag staff

    facesearch query visitors/                    # every photo in it and in the folders inside it

    facesearch query - < visitor.jpg

    facesearch query blurred.jpg --quality off    # however poor the photo is

    facesearch query visitors/ --all-faces --sheet visitors.png

    facesearch query clip.mp4 --all-faces
"""


_BATCH = 256  # photos whose faces are searched for at once


def query(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Photos and clips of people to be named, folders of photos; -: stdin.",
            parser=given_path,
        ),
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
    frames_per_second: FrameRateOption = 3.0,
    only_tag: Annotated[
        list[str] | None,
        typer.Option("--only-tag", help="Search among the people with this tag alone; repeatable: with any of them."),
    ] = None,
    aligned: AlignedOption = None,
    encoder: EncoderOption = None,
    min_face: MinFaceOption = 40,
    quality: ProbeQualityOption = None,
    device: DeviceOption = "cpu",
    threads: Annotated[
        int,
        typer.Option("--threads", help="Threads that encoding and searching may take; 0: all cores.", min=0, max=1024),
    ] = 0,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            help="Write a contact sheet (.png, .jpg): the faces, and photos of their candidates.",
            metavar="FILE",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    search: SearchOption = "projection",
    consistency: ConsistencyOption = "latest",
    stale_for: StaleForOption = None,
    shards: ShardsOption = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Who is this? The most similar identities for each photo, or "unknown".

    Of a photo with several faces the most prominent one counts, and the answer says so: --all-faces answers for all,
    --face for another one. In a clip of video, the frames in which a face is followed count as one, and the answer says
    from when to when; the most prominent is the one that is large for longest.
    """
    set_up(verbose)
    if face is not None and (all_faces or aligned is not None):
        raise UsageError("--face chooses one face: without --all-faces and --aligned")
    if sheet is not None:
        check_sheet(sheet)
    from facesearch.gallery.answers import PhotoAnswers
    from facesearch.gallery.groups import Tagged
    from facesearch.photos.file_kinds import is_video
    from facesearch.photos.photo import Rejection
    from facesearch.photos.sources import left_out_in_words, of_anybody
    from facesearch.pipeline.pipeline import Stopwatch

    watch = Stopwatch()
    clips = [path for path in images if is_video(path) and not path.is_dir()]
    if clips and aligned is not None:
        raise UsageError("--aligned is for photos, not for clips of video")
    if clips and sheet is not None:
        raise UsageError("--sheet is for photos, not for clips of video")
    sources = of_anybody([path for path in images if path not in clips])
    photos = sources.photos
    rejected = [item.document() for item in sources.rejected]
    drawn: list[SheetEntry] = []
    probes: list[dict[str, object]] = [{"path": item.path, "faces_found": 0, "faces": []} for item in sources.rejected]
    with (
        open_gallery(
            gallery,
            create=False,
            encoder=encoder,
            min_face=min_face,
            quality=quality,
            device=device,
            threads=threads,
            search=search,
            consistency=consistency,
            stale_for=stale_for,
            shards=addresses(shards),
        ) as opened,
        progress_bar("searching", quiet=len(photos) < 5) as progress,
    ):
        if threshold is None and score in (None, opened.score) and (warning := opened.outgrown()):
            logging.getLogger("facesearch").warning("%s", warning)
        among = Tagged(*only_tag) if only_tag else None
        rates = opened.stranger_rates(among, score)
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
                among=among,
                watch=watch,
                progress=_continued(progress, first, len(photos)),
            )
            for photo, answers in zip(some, found, strict=True):
                image = photo.path
                if sheet is not None:
                    drawn.append(entry_of(photo, answers))
                if isinstance(answers, RejectedImageError):
                    rejected.append(Rejection(str(image), str(answers)).document())
                    answers = PhotoAnswers()
                count = answers[0].found if answers else 0
                faces = [document_of(answer, rates) for answer in answers]
                aged = {} if answers.as_of is None else answers.as_of.document()
                probes.append({"path": str(image), "faces_found": count, "faces": faces} | aged)
                if not json:
                    _show(image, answers, rates)
            say_age(next((each.as_of for each in found if isinstance(each, PhotoAnswers)), None))
        sheets = [] if sheet is None else write_sheets(opened, drawn, sheet)
        if clips:
            from facesearch.commands.query_clips import ask
            from facesearch.gallery.clips import ClipOptions

            asked = ClipOptions(threshold, score, all_faces or face is not None, face, frames_per_second, fused, among)
            for path in clips:
                probes.append(ask(opened, path, k, asked, rejected, rates, json=json))
    if json:
        timing = {stage: round(watch.spent.get(stage, 0.0), 3) for stage in ("detect", "encode", "search")}
        left_out = dict(sources.left_out.most_common())
        more = {} if sheet is None else {"sheets": [str(path) for path in sheets]}
        print_json({"probes": probes, "rejected": rejected, "left_out": left_out, "timing_ms": timing} | more)
    else:
        for path in sheets:
            say(f"wrote {path}")
        if sources.left_out:
            say(left_out_in_words(sources.left_out))
        for item in rejected:
            say(f"rejected {item['path']}: {item['reason']}")
    exit_rejected(len(rejected))


def _continued(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    """The progress of a part of the photos as progress of all."""
    return lambda done, _: progress(before + done, total)


def _show(image: Path, answers: list[FaceAnswer], rates: StrangerRates | None) -> None:
    for answer in answers:
        where = f", face {answer.number} of {answer.found} ({place(answer.box)})" if answer.found > 1 else ""
        say(f"{image}{where}: {verdict(answer)}  (threshold {answer.threshold:.3f})")
        show_candidates(answer, rates)
