"""Whether the quality of faces predicts errors, and what it costs.

    python -m benchmarks.quality LFW_FOLDER UTKFACE_FOLDER [--encoder mobilefacenet] [--encoder edgeface-xs]

All photos of LFW as they are, and with one third of them made worse (`facesearch.evaluation.degradations`, seeded by
the name of the photo): in `FIVE` ways, and in all. For each measure the worst 5, 10 and 20 % are refused:

- fnmr: of pairs of photos of one person, at most 50 of each, the worse of the two counting, how many are below the
  encoder's threshold.
- fnir: a gallery of one photo of each person who has several, drawn; up to ten others of each as mated searches, the
  photos of people with one as non-mated; the share of mated searches that do not find their person first at the
  threshold with FPIR 0.01 among the photos that are left. Neither gallery nor its photos are refused.

template is what the weights of the template alone say; distance is that of the template from the middle of those of 200
photos of UTKFace blurred beyond recognition. hand is a mix by hand as InsightFace's studio has: 0.28 detection, 0.22
size, 0.22 blur, 0.18 frontal, 0.10 exposure. calibration: mated searches by their quality, and how many reach the
threshold. refused: probes below the bar of the usual profile, and how many of them would have been named rightly or
wrongly in that gallery. cost: CPU milliseconds per photo with one face, of enrolment without quality and with it, in
turns.

Nothing was tuned on LFW. Writes benchmarks/results/quality.json.
"""

from __future__ import annotations

import argparse
import time
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import alternating, measured
from facesearch import PipelineSpec, load_encoder
from facesearch.encoders import Encoder
from facesearch.evaluation.degradations import STRENGTHS, Degradation, Kind
from facesearch.evaluation.statistics import Resamples, interval
from facesearch.faces import Face, FaceDetector, find_crop, find_stage, most_prominent
from facesearch.photos.decoding import load_image
from facesearch.pipeline.pipeline import Pipeline
from facesearch.pipeline.quality import POOR, QualityModel

REFUSED = (0.0, 0.05, 0.1, 0.2)
FPIR = 0.01
WORSE = 1 / 3
FIVE: tuple[Kind, ...] = ("blur", "small", "dark", "jpeg", "turned")
WAYS: dict[str, tuple[Kind, ...]] = {
    "as they are": (),
    "a third made worse in five ways": FIVE,
    "a third made worse in nine ways": tuple(STRENGTHS),
}
MOST_PAIRS, MOST_PROBES = 50, 10
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.001)
TIMED = 100
BLURRED, BLUR = 200, 0.25  # photos of UTKFace; standard deviation in distances between the eyes
SEED = 0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Rows:
    """Faces: whose they are (n,), by encoder their templates (n, d), and by name each measure (n,)."""

    people: Ints
    templates: dict[str, npt.NDArray[np.float32]]
    measures: dict[str, Floats]

    def of(self, encoder: str) -> dict[str, Floats]:
        return {**self.measures, "quality": self.measures[f"quality {encoder}"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--encoder", action="append")
    arguments = parser.parse_args()
    encoders = {name: load_encoder(name, threads=1) for name in arguments.encoder or ["mobilefacenet"]}
    centres = _centres(sorted(arguments.utkface.glob("*.jpg"))[:: 4890 // BLURRED][:BLURRED], encoders)
    photos = sorted(arguments.lfw.glob("*/*.jpg"))
    result: dict[str, Any] = {"photos": len(photos), "cost": _cost(photos[: TIMED * 10 : 10])}
    for way, kinds in WAYS.items():
        rows, lost = _rows(photos, kinds, encoders, centres)
        print(way, len(rows.people), "faces,", lost, "photos without", flush=True)
        result[way] = {"faces": len(rows.people), "without a face": lost}
        for name, encoder in encoders.items():
            result[way][name] = _judged(rows, name, encoder.threshold)
            print(name, result[way][name], flush=True)
    command = "python -m benchmarks.quality LFW_FOLDER UTKFACE_FOLDER"
    measured("quality", result, f"{command} --encoder mobilefacenet --encoder edgeface-xs")


def _rows(
    photos: list[Path],
    kinds: tuple[Kind, ...],
    encoders: dict[str, Encoder],
    centres: dict[str, npt.NDArray[np.float32]],
) -> tuple[Rows, int]:
    detector, stage = FaceDetector(threads=1), find_stage("quality")
    generator = np.random.default_rng(SEED)
    worse = generator.random(len(photos)) < (WORSE if kinds else 0.0)
    people, found, lost = list[str](), list[Face](), 0
    crops: dict[str, list[npt.NDArray[np.uint8]]] = {encoder.crop: [] for encoder in encoders.values()}
    start = time.time()
    for number, path in enumerate(photos):
        image = load_image(path)
        face = _face(detector, image)
        if worse[number] and face is not None:
            drawn = np.random.default_rng(zlib.crc32(path.name.encode()))
            image = Degradation.drawn(drawn, kinds)(image, face, drawn)
            face = _face(detector, image)
        if face is None:
            lost += 1
            continue
        people.append(path.parent.name)
        found += stage(image, [face])
        for kind, held in crops.items():
            held.append(find_crop(kind).cut(image, face))
        if number % 1000 == 0:
            print(number, round(time.time() - start), "s", flush=True)
    rows = Rows(np.unique(people, return_inverse=True)[1], {}, _measures(found))
    for name, encoder in encoders.items():
        held = crops[encoder.crop]
        templates = np.concatenate([encoder.encode(np.stack(held[at : at + 64])) for at in range(0, len(held), 64)])
        model = QualityModel.of(encoder)
        judged = [model.judge(face, template).quality for face, template in zip(found, templates, strict=True)]
        rows.templates[name] = templates
        rows.measures[f"quality {name}"] = np.array(judged)
        rows.measures[f"template {name}"] = model.said(templates)
        rows.measures[f"distance {name}"] = -(templates @ centres[name]).astype(np.float64)
    return rows, lost


def _centres(photos: list[Path], encoders: dict[str, Encoder]) -> dict[str, npt.NDArray[np.float32]]:
    """The middle of the templates of faces that nobody could recognise, by encoder."""
    detector, generator = FaceDetector(threads=1), np.random.default_rng(SEED)
    seen = []
    for path in photos:
        image = load_image(path)
        if (face := _face(detector, image)) is not None:
            seen.append((Degradation("blur", BLUR)(image, face, generator), face))
    found = {}
    for name, encoder in encoders.items():
        crops = [find_crop(encoder.crop).cut(image, face) for image, face in seen]
        middle = encoder.encode(np.stack(crops)).mean(axis=0)
        found[name] = (middle / np.linalg.norm(middle)).astype(np.float32)
    return found


def _face(detector: FaceDetector, image: npt.NDArray[np.uint8]) -> Face | None:
    faces = detector.detect(image)
    return most_prominent(faces, *image.shape[:2]) if faces else None


def _measures(faces: list[Face]) -> dict[str, Floats]:
    """Each larger for better faces."""
    names = ("sharpness", "eyes", "contrast", "brightness")
    found = {name: np.array([face.measures[name] for face in faces]) for name in names}
    worse = {name: -np.array([face.measures[name] for face in faces]) for name in ("yaw", "roll", "unevenness")}
    pitch = -np.abs(np.array([face.measures["pitch"] for face in faces]) - 0.6)
    score, size = np.array([face.score for face in faces]), np.array([min(1.0, face.size / 112) for face in faces])
    frontal = 1 - np.minimum(1.0, -2 * worse["yaw"])
    exposure = 1 - np.abs(2 * found["brightness"] - 1)
    hand = 0.28 * score + 0.22 * size + 0.22 * found["sharpness"] + 0.18 * frontal + 0.10 * exposure
    return {**found, **worse, "pitch": pitch, "detection": score, "hand": hand}


def _judged(rows: Rows, encoder: str, threshold: float) -> dict[str, Any]:
    generator = np.random.default_rng(SEED)
    templates, by_name = rows.templates[encoder], rows.of(encoder)
    measures = {name: values for name, values in by_name.items() if " " not in name}
    measures |= {name: by_name[f"{name} {encoder}"] for name in ("template", "distance")}
    pairs = _pairs(rows.people, generator)
    alike = (templates[pairs[:, 0]] * templates[pairs[:, 1]]).sum(axis=1)
    gallery, mated, others = _searches(rows.people, generator)
    scores = templates[mated] @ templates[gallery].T
    own = rows.people[mated][:, None] == rows.people[gallery][None]
    right = np.where(own, scores, -1).max(axis=1)
    first = right >= np.where(own, -1, scores).max(axis=1)
    strangers = (templates[others] @ templates[gallery].T).max(axis=1)
    result: dict[str, Any] = {"pairs": len(pairs), "mated": len(mated), "non_mated": len(others), "discard": {}}
    for name, values in measures.items():
        shaken = values + 1e-9 * generator.random(len(values))  # ties are broken by chance
        of_pairs = shaken[pairs].min(axis=1)
        asked = np.concatenate([shaken[mated], shaken[others]])
        curve = []
        for share in REFUSED:
            kept = of_pairs >= np.quantile(of_pairs, share)
            bar = np.quantile(asked, share)
            of_mated, of_others = shaken[mated] >= bar, shaken[others] >= bar
            limit = np.quantile(strangers[of_others], 1 - FPIR)
            missed = ~(first & (right > limit))[of_mated]
            fnmr = _rate(alike[kept] < threshold, rows.people[pairs[kept, 0]])
            curve.append({"refused": share, "fnmr": fnmr, "fnir": _rate(missed, rows.people[mated[of_mated]])})
        result["discard"][name] = curve
    quality = by_name["quality"]
    result["calibration"] = [
        {"from": low, "to": min(high, 1.0), **_reached(right[inside] >= threshold, quality[mated][inside])}
        for low, high in pairwise(BINS)
        if (inside := (quality[mated] >= low) & (quality[mated] < high)).any()
    ]
    poor, stranger_poor = quality[mated] < POOR, quality[others] < POOR
    named, named_stranger = scores.max(axis=1) >= threshold, strangers >= threshold
    result["refused"] = {
        "mated": int(poor.sum()),
        "named rightly": int((poor & first & named).sum()),
        "named wrongly": int((poor & ~first & named).sum()),
        "strangers": int(stranger_poor.sum()),
        "strangers named": int((stranger_poor & named_stranger).sum()),
        "strangers named above the bar": int((~stranger_poor & named_stranger).sum()),
        "wrongly named above the bar": int((~poor & ~first & named).sum()),
    }
    return result


def _rate(missed: npt.NDArray[np.bool_], people: Ints) -> dict[str, Any]:
    owners = np.unique(people, return_inverse=True)[1]
    between = interval(Resamples.draw(int(owners.max()) + 1).means(missed.astype(np.float64), owners))
    return {
        "share": round(float(missed.mean()), 4),
        "interval": [round(float(end), 4) for end in between],
        "count": int(missed.sum()),
        "of": len(missed),
    }


def _reached(found: npt.NDArray[np.bool_], quality: Floats) -> dict[str, float | int]:
    return {"searches": len(found), "found": round(float(found.mean()), 4), "quality": round(float(quality.mean()), 4)}


def _pairs(people: Ints, generator: np.random.Generator) -> Ints:
    found = []
    for rows in _by_person(people):
        if len(rows) > 1:
            one, other = np.triu_indices(len(rows), 1)
            drawn = generator.permutation(len(one))[:MOST_PAIRS]
            found.append(np.column_stack([rows[one[drawn]], rows[other[drawn]]]))
    return np.concatenate(found)


def _searches(people: Ints, generator: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Rows that are enrolled, of mated and of non-mated searches."""
    gallery, mated, others = list[int](), list[int](), list[int]()
    for rows in _by_person(people):
        drawn = generator.permutation(rows).tolist()
        if len(drawn) == 1:
            others += drawn
        else:
            gallery.append(drawn[0])
            mated += drawn[1 : 1 + MOST_PROBES]
    return np.array(gallery), np.array(mated), np.array(others)


def _by_person(people: Ints) -> list[Ints]:
    order = np.argsort(people, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(people[order])) + 1)


def _cost(photos: list[Path]) -> dict[str, float]:
    encoder = load_encoder(threads=1)
    ways = {
        "without": Pipeline(encoder, PipelineSpec(stages=(), quality="off"), threads=1),
        "with": Pipeline(encoder, PipelineSpec(), threads=1),
    }
    images = [load_image(path) for path in photos]

    def all_of(pipeline: Pipeline) -> None:
        for image in images:
            pipeline.prominent(image)

    times = alternating(
        {name: lambda one=one: all_of(one) for name, one in ways.items()},  # type: ignore[misc]
        runs=5,
        clock=time.process_time,
    )
    found = {name: round(value / len(images), 3) for name, value in times.items()}
    return {**found, "ratio": round(found["with"] / found["without"], 4)}


if __name__ == "__main__":
    main()
