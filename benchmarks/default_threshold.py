"""Where the default threshold comes from: how alike the faces of different people are.

    python -m benchmarks.default_threshold UTKFACE_FOLDER [--encoder MODEL] [--portraits FOLDER]

UTKFACE_FOLDER holds photos of UTKFace, whose names begin with age, sex and origin. The templates of all adults are
compared, each with each; as every photo stands for another person, all pairs count as impostors. A few are not: photos
that are there twice are dropped by their similarity (above 0.999), other photos of the same person stay. They make the
tail heavier, and so the thresholds higher than they need be. FOLDER holds photos, each of another person for certain:
rates far down can be counted there. Writes benchmarks/results/default_threshold_<model>.json.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT, Encoded, Vector, counted, reason
from facesearch import load_encoder
from facesearch.encoders import DEFAULT_MODEL, Encoder
from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.extraction import templates

_ADULT = 18  # years
_NEAR_AGE = 10  # years
_SAME_PHOTO = 0.999
_FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
_THRESHOLDS = (  # tried, by the default of the encoder that they are above or at
    (0.90, (0.90, 0.91, 0.92, 0.93, 0.937, 0.94, 0.95, 0.96, 0.97, 0.98)),
    (0.45, (0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70)),
    (-1.0, (0.20, 0.25, 0.28, 0.30, 0.35, 0.40, 0.45, 0.50, 0.60)),
)
_GALLERY_SIZES = (10, 100, 1_000, 10_000)
_DRAWS = 20  # galleries drawn per size
_SEED = 0

Floats = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default=DEFAULT_MODEL, help="model, at FP32 on ONNX Runtime")
    parser.add_argument("--portraits", type=Path, help="photos, each of another person")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.encoder)
    model = encoder.spec.model
    paths, encoded = encode(arguments.folder, encoder)
    people = [Person.of(path, one) for path, one in zip(paths, encoded, strict=True) if one.template is not None]
    adults = [person for person in people if person.age >= _ADULT]
    minors = [person for person in people if person.age < _ADULT]
    command = f"python -m benchmarks.default_threshold utkface/unlabelled --encoder {model}"
    portraits = {}
    if arguments.portraits:
        command += " --portraits portraits/photos"
        found = [one.template for one in encode(arguments.portraits, encoder)[1] if one.template is not None]
        portraits = {"portraits": _portraits(np.stack(found), encoder.threshold)}
    written = measured(
        f"default_threshold_{model}",
        {
            "encoder": str(encoder.spec),
            "default_threshold": encoder.threshold,
            "without_a_face": counted(one.rejection or "" for one in encoded if one.template is None),
            **_adults(adults, encoder.threshold),
            "fmr_at_default_threshold_among": _groups(adults, minors, encoder.threshold),
            **portraits,
        },
        command,
        PRODUCT,
    )
    print(written.read_text(encoding="utf-8"))


def encode(folder: Path, encoder: Encoder) -> tuple[list[Path], list[Encoded]]:
    """The photos of a folder, and what the encoder makes of each."""
    photos = read_training_photos(folder)
    held = templates(photos, [encoder.spec])[encoder.spec]
    encoded = [
        Encoded(None, reason(text)) if text else Encoded(template, None)
        for template, text in zip(held.values, held.reasons, strict=True)
    ]
    return [folder / sample.path for sample in photos.samples], encoded


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A photo of UTKFace: template (d,), age in years, and the labels of sex and origin in its name."""

    template: Vector
    age: int
    sex: int
    origin: int

    @staticmethod
    def of(path: Path, encoded: Encoded) -> Person:
        assert encoded.template is not None
        # Two names lack a label; the date that stands in its place makes them groups of their own.
        age, sex, origin = (int(number) for number in re.findall(r"\d+", path.name)[:3])
        return Person(encoded.template, age, sex, origin)


def _adults(adults: Sequence[Person], default: float) -> dict[str, object]:
    """All pairs of adults: FMR at thresholds, thresholds at FMR, and what a stranger meets."""
    similarity = similarities(adults)
    pairs = similarity[np.triu_indices(len(adults), 1)]
    impostors = np.sort(pairs[pairs <= _SAME_PHOTO])
    thresholds = {f"{fmr:g}": threshold_at(impostors, fmr) for fmr in _FALSE_MATCH_RATES}
    tested = sorted({*next(tried for least, tried in _THRESHOLDS if default >= least), default})
    return {
        "adults": len(adults),
        "pairs": len(impostors),
        "pairs_dropped_as_same_photo": len(pairs) - len(impostors),
        "mean_similarity": float(impostors.mean()),
        "fmr_at_default_threshold": false_match_rate(impostors, default),
        "fmr_at_threshold": {str(threshold): false_match_rate(impostors, threshold) for threshold in tested},
        "threshold_at_fmr": thresholds,
        "fpir": [_fpir_row(similarity, impostors, threshold) for threshold in sorted({default, *thresholds.values()})],
    }


def _portraits(held: Floats, default: float) -> dict[str, object]:
    """The same of templates (n, d) that are of different people for certain."""
    pairs = np.sort((held @ held.T)[np.triu_indices(len(held), 1)])
    return {
        "people": len(held),
        "pairs": len(pairs),
        "fmr_at_default_threshold": false_match_rate(pairs, default),
        "threshold_at_fmr": {f"{fmr:g}": threshold_at(pairs, fmr) for fmr in _FALSE_MATCH_RATES},
    }


def similarities(people: Sequence[Person]) -> Floats:
    """Cosine of each with each, (n, n)."""
    templates = np.stack([person.template for person in people])  # (n, d)
    cosines: Floats = templates @ templates.T
    return cosines


def _groups(adults: Sequence[Person], minors: Sequence[Person], default: float) -> dict[str, float]:
    """FMR at the default threshold among people who have something in common."""
    sex = np.array([person.sex for person in adults])
    origin = np.array([person.origin for person in adults])
    age = np.array([person.age for person in adults])
    alike = sex[:, None] == sex
    more_alike = alike & (origin[:, None] == origin) & (np.abs(age[:, None] - age) <= _NEAR_AGE)
    cosines, everybody = similarities(adults), np.ones((len(minors), len(minors)), dtype=np.bool_)
    return {
        "adults of the same sex": _rate_among(cosines, alike, default),
        f"adults of the same sex and origin, at most {_NEAR_AGE} years apart": _rate_among(
            cosines, more_alike, default
        ),
        f"people under {_ADULT}": _rate_among(similarities(minors), everybody, default),
    }


def _rate_among(cosines: Floats, chosen: npt.NDArray[np.bool_], threshold: float) -> float:
    pairs = cosines[np.triu(chosen, 1) & (cosines <= _SAME_PHOTO)]
    return float((pairs >= threshold).mean())


def false_match_rate(impostors: Floats, threshold: float) -> float:
    """The share of `impostors` (n,), sorted, at or above the threshold."""
    return float(1 - np.searchsorted(impostors, np.float32(threshold), side="left") / len(impostors))


def threshold_at(impostors: Floats, fmr: float) -> float:
    """The lowest threshold, in four digits, that at most `fmr` of the `impostors` (n,), sorted, reach."""
    allowed = int(fmr * len(impostors))
    return math.floor(float(impostors[len(impostors) - allowed - 1]) * 10_000 + 1) / 10_000


def _fpir_row(similarity: Floats, impostors: Floats, threshold: float) -> dict[str, object]:
    """What a stranger meets in galleries of several sizes: as the FMR predicts, and counted where photos suffice."""
    fmr = false_match_rate(impostors, threshold)
    return {
        "threshold": threshold,
        "fmr": fmr,
        "predicted": {str(size): 1 - (1 - fmr) ** size for size in _GALLERY_SIZES},
        "counted": {
            str(size): _counted_fpir(similarity, threshold, size)
            for size in _GALLERY_SIZES
            if size <= len(similarity) // 2
        },
    }


def _counted_fpir(similarity: Floats, threshold: float, size: int) -> float:
    """The share of strangers with anybody at or above the threshold in random galleries of `size` others."""
    generator = np.random.default_rng(_SEED)
    rates: list[float] = []
    for _ in range(_DRAWS):
        drawn = generator.permutation(len(similarity))
        gallery, strangers = drawn[:size], drawn[size:]
        among = similarity[np.ix_(strangers, gallery)]
        alarms = ((among >= threshold) & (among <= _SAME_PHOTO)).any(axis=1)
        rates.append(float(alarms.mean()))
    return float(np.mean(rates))


if __name__ == "__main__":
    main()
