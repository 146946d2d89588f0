"""facesearch verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.commands.common import (
    AlignedOption,
    ConsistencyOption,
    DeviceOption,
    EncoderOption,
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
    has_gallery,
    open_gallery,
    print_json,
    say,
    say_age,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.text.figures import floored, place

EXAMPLES = """
**Example**

    facesearch verify passport.jpg selfie.jpg
"""


def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="One photo.", parser=given_path)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another photo.", parser=given_path)],
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
    quality: ProbeQualityOption = None,
    device: DeviceOption = "cpu",
    search: SearchOption = "projection",
    consistency: ConsistencyOption = "latest",
    stale_for: StaleForOption = None,
    shards: ShardsOption = None,
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

    for path in (a, b):
        refuse_url(path)
    if shards or has_gallery(gallery, away=stale_for is not None):
        with open_gallery(
            gallery,
            create=False,
            encoder=encoder,
            min_face=min_face,
            quality=quality,
            device=device,
            search=search,
            consistency=consistency,
            stale_for=stale_for,
            shards=addresses(shards),
        ) as opened:
            answer = opened.verify(
                a, b, threshold=threshold, score=score, aligned=aligned, face_a=face_a, face_b=face_b
            )
    else:
        from facesearch.encoders import DEFAULT_MODEL, load_encoder
        from facesearch.faces import chosen_face
        from facesearch.gallery.arguments import score as checked
        from facesearch.gallery.scoring import Rule
        from facesearch.gallery.verification import verify as verify_images
        from facesearch.pipeline.fit_to_enrol import quality_profile
        from facesearch.pipeline.pipeline import Pipeline
        from facesearch.pipeline.pipeline_spec import PipelineSpec

        loaded = load_encoder(encoder or DEFAULT_MODEL, device=device)
        limit = loaded.threshold if threshold is None else threshold
        rule = Rule.asked(loaded.spec.model, None if score is None else checked(score))
        answer = verify_images(
            Pipeline(loaded, PipelineSpec(min_face=min_face, quality=quality_profile(quality or "standard"))),
            a,
            b,
            lambda templates: (limit, rule.by_cohorts(templates)),
            aligned=aligned,
            face_a=chosen_face(face_a),
            face_b=chosen_face(face_b),
        )
    say_age(answer.as_of)
    if json:
        print_json(answer.document())
    else:
        poor = any(face.poor for face in answer.faces)
        verdict = "nobody can tell" if poor else "the same person" if answer.same else "not the same person"
        say(
            f"{verdict}: score {answer.score:.4f}, similarity {answer.similarity:.4f}, threshold {answer.threshold:.3f}"
        )
        for path, face in zip((a, b), answer.faces, strict=True):
            if face.poor:
                why = f"quality {floored(face.quality)} ({', '.join(face.reasons)})"
                say(f"  the face in {path} is too poor to tell: {why}; --quality off compares it nevertheless")
            if face.found > 1:
                say(f"  compared face {face.number} of {face.found} in {path} ({place(face.box)})")
