"""What it gives to subtract from a cosine what each side resembles anyway: half the mean of its likeness to a cohort.

    python -m benchmarks.normalised_scores LFW_FOLDER UTKFACE_FOLDER PORTRAITS_FOLDER [--encoder MODEL] …

s' = s − ½ (μ_probe + μ_template), μ being the mean of the k largest similarities to faces of other people (adaptive
symmetric normalisation, Matějka et al., Interspeech 2017, without its standard deviations unless named). Cohorts: the
gallery's other people; half of UTKFace; the portraits, which are adults; the portraits with a few children of UTKFace;
people drawn by this program, children among them.

On the other half of UTKFace: the rate of false matches within age groups, at the threshold that one pair in a thousand
of ages 20 to 39 reaches. On LFW: 2,875 people enrolled with one photo each, their other photos and all of the other
2,874 people asked about: FNIR at FPIR. Every photo of UTKFace counts as another person.

Writes benchmarks/results/normalised_scores.json.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch import load_encoder
from facesearch.encoders import Encoder
from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.datasets import read_dataset
from facesearch.evaluation.extraction import templates
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.workshop.sample_people import draw_people, take_photo

ENCODERS = ("mobilefacenet", "dlib-resnet", "edgeface-xs")
AGES = {"0-4": (0, 4), "5-9": (5, 9), "10-17": (10, 17), "18+": (18, 200), "60+": (60, 200)}
REFERENCE = (20, 39)  # years
FMR = 0.001
FPIRS = (0.1, 0.01, 0.003)
SAME_PHOTO = 0.999
CHILD = 9  # years
ENROLLED = 2_875
DRAWN = 400
SEED = 0

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--encoder", action="append", help="repeatable; default: " + ", ".join(ENCODERS))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.encoder or ENCODERS:
        rows.append(_of_encoder(load_encoder(name), arguments.lfw, arguments.utkface, arguments.portraits))
        print(rows[-1])
    measured(
        "normalised_scores",
        rows,
        "python -m benchmarks.normalised_scores lfw_deepfunneled utkface/unlabelled portraits/photos"
        + "".join(f" --encoder {name}" for name in arguments.encoder or ()),
        PRODUCT,
    )


def _of_encoder(encoder: Encoder, lfw: Path, utkface: Path, portraits: Path) -> dict[str, object]:
    paths, faces = _templates(encoder, utkface)
    ages = np.array([int(re.findall(r"\d+", Path(path).name)[0]) for path in paths])  # the names begin with it
    order = np.random.default_rng(SEED).permutation(len(ages))
    cohort, tested = order[: len(order) // 2], order[len(order) // 2 :]
    adults = _templates(encoder, portraits)[1]
    children = faces[cohort][ages[cohort] <= CHILD]
    drawn = _drawn(encoder)
    test = _Ages(faces[tested], ages[tested])
    by_age: dict[str, object] = {"people": test.people(), "cosine": test.rates(None)}
    for k in (5, 10, 50, 100):
        by_age[f"the gallery's other people, k = {k}"] = test.rates(test.own(k))
        by_age[f"half of UTKFace, k = {k}"] = test.rates(test.of(faces[cohort], k))
    by_age["half of UTKFace, k = 100, with deviations"] = test.rates(*test.moments(faces[cohort], 100))
    by_age["portraits, k = 10"] = test.rates(test.of(adults, 10))
    by_age["drawn people, k = 10"] = test.rates(test.of(drawn, 10))
    for few in (3, 10, 30):
        mixed = np.concatenate([adults, children[:few]])
        by_age[f"portraits and {few} children, k = 3"] = test.rates(test.of(mixed, 3))
    search = _Search.of(encoder, lfw)
    fnir: dict[str, object] = {"mated": int(search.mated.sum()), "non_mated": int((~search.mated).sum())}
    fnir["cosine"] = search.fnir(np.zeros(len(search.probes)), np.zeros(len(search.gallery)))
    for k in (5, 10, 20, 50, 100):
        fnir[f"the gallery's other people, k = {k}"] = search.normalised(search.gallery, k)
    for name, others in (("half of UTKFace", faces[cohort]), ("portraits", adults), ("drawn people", drawn)):
        fnir[f"{name}, k = 10"] = search.normalised(others, 10)
    return {"encoder": str(encoder.spec), "fmr_percent_by_age": by_age, "fnir": fnir}


def _templates(encoder: Encoder, folder: Path) -> tuple[list[str], Floats]:
    """Paths and templates (n, d) of the photos of a folder that have a face."""
    photos = read_training_photos(folder)
    held = templates(photos, [encoder.spec])[encoder.spec]
    paths = [sample.path for sample, found in zip(photos.samples, held.found, strict=True) if found]
    return paths, held.values[held.found]


def _drawn(encoder: Encoder) -> Floats:
    """Templates of people who do not exist, half of them children."""
    people = [person for person in draw_people(5 * DRAWN, SEED) if person.youth][: DRAWN // 2]
    people += [person for person in draw_people(2 * DRAWN, SEED) if not person.youth][: DRAWN // 2]
    detector, crop, crops = FaceDetector(), find_crop(encoder.crop), []
    for person in people:
        photo = take_photo(person, 0)
        if faces := detector.detect(photo):
            crops.append(crop.cut(photo, most_prominent(faces, *photo.shape[:2])))
    return encoder.encode(np.stack(crops))


def _largest(similarity: Floats, k: int) -> Floats:
    """The k largest of each row (n, k)."""
    k = min(k, similarity.shape[1])
    largest: Floats = np.partition(similarity, similarity.shape[1] - k, axis=1)[:, -k:]
    return largest


def _means(similarity: Floats, k: int) -> Floats:
    means: Floats = _largest(similarity, k).mean(axis=1)
    return means


@dataclass(frozen=True, slots=True, eq=False)
class _Ages:
    """Faces (n, d) of different people with their ages (n,)."""

    faces: Floats
    ages: Ints

    def people(self) -> dict[str, int]:
        return {name: int(self._within(ages).sum()) for name, ages in AGES.items()}

    def own(self, k: int) -> Floats:
        similarity = self.faces @ self.faces.T
        similarity[similarity > SAME_PHOTO] = -1
        return _means(similarity, k)

    def of(self, cohort: Floats, k: int) -> Floats:
        return _means(self.faces @ cohort.T, k)

    def moments(self, cohort: Floats, k: int) -> tuple[Floats, Floats]:
        largest = _largest(self.faces @ cohort.T, k)
        return largest.mean(axis=1), largest.std(axis=1)

    def rates(self, means: Floats | None, deviations: Floats | None = None) -> dict[str, float]:
        """Percent of false matches within each group, and among all."""
        cosine = self.faces @ self.faces.T
        counted = np.triu(cosine <= SAME_PHOTO, 1)
        score = cosine
        if means is not None:
            scale = np.ones_like(means) if deviations is None else deviations
            score = ((cosine - means[:, None]) / scale[:, None] + (cosine - means) / scale) / 2
        reference = self._within(REFERENCE)
        threshold = np.quantile(score[counted & reference[:, None] & reference], 1 - FMR)
        groups = {name: self._within(ages) for name, ages in AGES.items()} | {"all": np.ones(len(self.ages), np.bool_)}
        return {
            name: round(100 * float((score[counted & group[:, None] & group] >= threshold).mean()), 4)
            for name, group in groups.items()
        }

    def _within(self, ages: tuple[int, int]) -> Bools:
        return (self.ages >= ages[0]) & (self.ages <= ages[1])


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Gallery (g, d) of one face per person; probes (p, d), which of them are mated (p,), with whom (p,)."""

    gallery: Floats
    probes: Floats
    mated: Bools
    mates: Ints

    @staticmethod
    def of(encoder: Encoder, folder: Path) -> _Search:
        dataset = read_dataset(folder)
        held = templates(dataset, [encoder.spec])[encoder.spec]
        people = np.array([sample.identity for sample in dataset.samples])[held.found]
        values, names = held.values[held.found], np.unique(people)
        chosen = np.sort(np.random.default_rng(SEED).permutation(names)[:ENROLLED])
        first = np.array([int(np.flatnonzero(people == name)[0]) for name in chosen])
        rest = np.setdiff1d(np.arange(len(people)), first)
        mated = np.isin(people[rest], chosen)
        return _Search(values[first], values[rest], mated, np.searchsorted(chosen, people[rest]))

    def normalised(self, cohort: Floats, k: int) -> dict[str, float]:
        """FNIR with a cohort; that of the gallery leaves each enrolled face itself out, and no probe's own person,
        who is not known when it is asked."""
        among = self.gallery @ cohort.T
        among[among > SAME_PHOTO] = -1
        return self.fnir(_means(self.probes @ cohort.T, k), _means(among, k))

    def fnir(self, probe_means: npt.ArrayLike, template_means: npt.ArrayLike) -> dict[str, float]:
        """FNIR at each FPIR."""
        score = self.probes @ self.gallery.T
        score -= (np.asarray(probe_means)[:, None] + np.asarray(template_means)) / 2
        best, first = score.max(axis=1), score.argmax(axis=1)
        right = self.mated & (first == self.mates)
        limits = {f"{fpir:g}": np.quantile(best[~self.mated], 1 - fpir, method="higher") for fpir in FPIRS}
        found: Sequence[tuple[str, float]] = [
            (fpir, 1 - float((right & (best >= limit)).sum() / self.mated.sum())) for fpir, limit in limits.items()
        ]
        return {fpir: round(rate, 4) for fpir, rate in found}


if __name__ == "__main__":
    main()
