"""What normalised scores give, and why they have the form that they have (docs/research/scores.md).

    python -m benchmarks.normalised_scores LFW_FOLDER UTKFACE_FOLDER PORTRAITS_FOLDER [--encoder MODEL] …

Forms: the cosine; the symmetric form, less half the mean of both sides' largest similarities to other people (Matějka
et al., Interspeech 2017); test normalisation, less that of the probe (Auckenthaler et al., 2000); and what
facesearch.gallery.scoring does, for several numbers of nearest people, without and with its prototypes of children.
For comparison at one threshold, the level of adults is added to the other forms. The form was chosen on UTKFace, whose
photos count as another person each; LFW checks it.

- ages: false match rate within age groups on half of UTKFace, at the encoder's default threshold.
- searches: LFW's people enrolled with one photo each, their other photos and other people's asked about: FNIR at FPIR,
  and both at the default threshold.
- schools: children of UTKFace below five enrolled alone, or among 2,875 people of LFW, and others of them asked about;
  also with a cohort of 100 further ones.
- families: people of LFW with two photos and four people who are much like each; every one is asked about.

Writes benchmarks/results/normalised_scores.json.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.dataset_templates import found_templates
from benchmarks.photos import PRODUCT
from facesearch import load_encoder
from facesearch.encoders import Encoder, find_model
from facesearch.encoders.background import NEAREST, Background
from facesearch.encoders.background import measured as background
from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.datasets import read_dataset
from facesearch.evaluation.extraction import templates
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.gallery.scoring import penalties
from facesearch.workshop.sample_people import draw_people, take_photo

ENCODERS = ("mobilefacenet", "dlib-resnet", "edgeface-xs")
AGES = {"0-4": (0, 4), "5-9": (5, 9), "10-17": (10, 17), "18+": (18, 200), "60+": (60, 200)}
FPIRS = (0.1, 0.01, 0.003)
SAME_PHOTO = 0.999
SMALL_CHILD = 4  # years
SIZES = {10: 40, 100: 20, 1000: 3, 2875: 3}  # people enrolled: how often drawn
SCHOOLS = (1, 2, 3, 5, 10, 30, 100, 300)
AMONG = (3, 10, 30, 100)
COHORT = 100
ASKED = 400
SCHOOL_DRAWS = 5
FAMILIES = 300
FAMILY_RANKS = (1, 20, 60)
NON_MATED = 3000
DRAWN = 400
SEED = 0

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Form = Callable[["Asked"], Floats]  # scores (m, n)


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
        print(rows[-1], flush=True)
        measured(
            "normalised_scores",
            rows,
            "python -m benchmarks.normalised_scores lfw_deepfunneled utkface/unlabelled portraits/photos"
            + "".join(f" --encoder {name}" for name in arguments.encoder or ()),
            PRODUCT,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Probes (m, d) and a gallery (n, d) of different people; left_out: (m, n) what is not compared, if anything."""

    probes: Floats
    gallery: Floats
    left_out: Bools | None = None

    def similarity(self) -> Floats:
        found = self.probes @ self.gallery.T
        return found if self.left_out is None else np.where(self.left_out, -np.inf, found).astype(np.float32)

    def nearest(self, k: int) -> tuple[Floats, Floats]:
        """Similarities (m, n), and for each the mean of the k largest of the probe's others (m, n)."""
        similarity = self.similarity()
        k = min(k, similarity.shape[1] - 1)
        largest = -np.sort(np.partition(-similarity, k, axis=1)[:, : k + 1], axis=1)
        without = (largest.sum(axis=1, keepdims=True) - similarity) / max(k, 1)
        with_all = largest[:, :k].mean(axis=1, keepdims=True)
        return similarity, np.where(similarity >= largest[:, -1:], without, with_all)


@dataclass(frozen=True, slots=True, eq=False)
class _Forms:
    """The forms that a score may have, for one encoder."""

    level: Mapping[int, Background]  # by number of nearest people
    prototypes: Floats

    def all(self) -> dict[str, Form]:
        forms: dict[str, Form] = {"cosine": Asked.similarity, "symmetric, k = 10": self._symmetric}
        forms["of the probe, k = 10"] = lambda asked: self._two_sided(asked, 10)
        for k in self.level:
            forms[f"of the probe, above the level, k = {k}"] = self.above(k)
        forms["the prototypes alone"] = self.by_cohorts(self.prototypes)
        forms["normalised"] = self.normalised()
        return forms

    def few(self) -> dict[str, Form]:
        return {
            "cosine": Asked.similarity,
            "without prototypes": self.above(NEAREST),
            "normalised": self.normalised(),
        }

    def normalised(self, *cohorts: Floats) -> Form:
        """What facesearch does."""
        by_gallery, by_others = self.above(NEAREST), self.by_cohorts(self.prototypes, *cohorts)
        return lambda asked: np.minimum(by_gallery(asked), by_others(asked))

    def above(self, k: int) -> Form:
        """Less what the other people of the gallery, the k most alike, are above the level."""

        def score(asked: Asked) -> Floats:
            if len(asked.gallery) < 2:
                return asked.similarity()
            similarity, means = asked.nearest(k)
            others = len(asked.gallery) - 1 - (asked.left_out is not None)
            return np.asarray(similarity - np.maximum(0, means - self.level[k].level(others)), np.float32)

        return score

    def by_cohorts(self, *cohorts: Floats) -> Form:
        """The same by other people than those of the gallery."""

        def score(asked: Asked) -> Floats:
            taken = [
                penalties(np.sort(asked.probes @ cohort.T, axis=1)[:, -NEAREST:], len(cohort), self.level[NEAREST])
                for cohort in cohorts
            ]
            return np.asarray(asked.similarity() - np.max(taken, axis=0)[:, None], np.float32)

        return score

    def _two_sided(self, asked: Asked, k: int) -> Floats:
        similarity, means = asked.nearest(k)
        return np.asarray(similarity - means + self.level[k].level(len(asked.gallery) - 1), np.float32)

    def _symmetric(self, asked: Asked) -> Floats:
        similarity, of_probes = asked.nearest(10)
        among = asked.gallery @ asked.gallery.T
        among[among > SAME_PHOTO] = -np.inf
        k = min(10, len(among) - 1)
        of_gallery = np.sort(np.partition(-among, k - 1, axis=1)[:, :k], axis=1).mean(axis=1) * -1
        shift = self.level[10].level(len(asked.gallery) - 1)
        return np.asarray(similarity - (of_probes + of_gallery) / 2 + shift, np.float32)


def _of_encoder(encoder: Encoder, lfw: Path, utkface: Path, portraits: Path) -> dict[str, object]:
    paths, faces = _templates(encoder, utkface)
    ages = np.array([int(re.findall(r"\d+", Path(path).name)[0]) for path in paths])  # the names begin with it
    half = np.random.default_rng(SEED).permutation(len(ages))[len(ages) // 2 :]
    adults = _templates(encoder, portraits)[1]
    prototypes = find_model(encoder.spec.model).prototypes
    assert prototypes is not None
    forms = _Forms({k: background(adults, k) for k in (3, NEAREST, 10)}, prototypes)
    search = _Search.of(encoder, lfw)
    children = faces[ages <= SMALL_CHILD]
    return {
        "encoder": str(encoder.spec),
        "threshold": encoder.threshold,
        "ages": _by_age(
            faces[half], ages[half], encoder.threshold, forms, {"portraits": adults, "drawn": _drawn(encoder)}
        ),
        "searches": {str(people): search.figures(people, forms.all(), encoder.threshold) for people in SIZES},
        "schools": [_school(children, None, count, forms, encoder.threshold) for count in SCHOOLS],
        "among_adults": [_school(children, search.one_each(2875), count, forms, encoder.threshold) for count in AMONG],
        "families": [search.families(first, forms.few(), encoder.threshold) for first in FAMILY_RANKS],
    }


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


def _by_age(
    faces: Floats, ages: Ints, threshold: float, forms: _Forms, cohorts: Mapping[str, Floats]
) -> dict[str, object]:
    """Percent of false matches within each group and among all, by form."""
    groups = {name: (ages >= low) & (ages <= high) for name, (low, high) in AGES.items()}
    cosine = faces @ faces.T
    left_out = cosine > SAME_PHOTO
    asked = Asked(faces, faces, left_out)
    whole = groups | {"all": np.ones(len(ages), np.bool_)}
    ways = forms.all() | {f"{name} alone": forms.by_cohorts(others) for name, others in cohorts.items()}
    ways["two photos, nobody enrolled"] = lambda asked: _verified(asked, forms)
    found: dict[str, object] = {"people": {name: int(members.sum()) for name, members in groups.items()}}
    for form, score in ways.items():
        matches = score(asked) >= threshold
        found[form] = {
            name: round(100 * float(matches[np.ix_(group, group)][~left_out[np.ix_(group, group)]].mean()), 4)
            for name, group in whole.items()
        }
    return found


def _verified(asked: Asked, forms: _Forms) -> Floats:
    """As `facesearch verify` without a gallery: less half of what the prototypes take off each photo."""
    one_side = asked.similarity() - forms.by_cohorts(forms.prototypes)(asked)
    one_side[~np.isfinite(one_side)] = 0
    taken = one_side.max(axis=1)
    return np.asarray(asked.similarity() - (taken[:, None] + taken) / 2, np.float32)


def _school(children: Floats, adults: Floats | None, count: int, forms: _Forms, threshold: float) -> dict[str, object]:
    """Of other children: the share that gets a name, and the share of comparisons with children that match."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for draw in range(SCHOOL_DRAWS):
        order = np.random.default_rng(draw).permutation(len(children))
        school, cohort, others = np.split(children[order], [count, count + COHORT])
        strangers = others[:ASKED]
        # what is nearer may be another photo of somebody: as near as a threshold far above the encoder's
        near = 1 - (1 - threshold) / 5
        strangers = strangers[(strangers @ school.T).max(axis=1) < near]
        gallery = school if adults is None else np.concatenate([school, adults])
        ways = forms.few() | {"normalised, with a cohort of 100": forms.normalised(cohort)}
        for name, score in ways.items():
            matches = score(Asked(strangers, gallery)) >= threshold
            rates.setdefault(name, []).append((float(matches.any(axis=1).mean()), float(matches[:, :count].mean())))
    means = {name: np.mean(values, axis=0).tolist() for name, values in rates.items()}
    return {"children": count} | {
        name: {"fpir": round(fpir, 4), "fmr": round(fmr, 5)} for name, (fpir, fmr) in means.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Photos (n, d) and whose they are (n,), numbered."""

    faces: Floats
    people: Ints

    @staticmethod
    def of(encoder: Encoder, folder: Path) -> _Search:
        faces, names = found_templates(read_dataset(folder), encoder.spec)
        return _Search(faces, np.unique(names, return_inverse=True)[1].astype(np.int64))

    def one_each(self, count: int) -> Floats:
        chosen = np.random.default_rng(SEED).permutation(self.people.max() + 1)[:count]
        return self.faces[self._first(chosen)]

    def _first(self, chosen: Ints) -> Ints:
        return np.unique(self.people, return_index=True)[1][chosen]

    def figures(self, count: int, forms: Mapping[str, Form], threshold: float) -> dict[str, object]:
        """Means over draws: FNIR at FPIR, FPIR and FNIR at the threshold, by form."""
        found: dict[str, list[list[float]]] = {}
        for draw in range(SIZES[count]):
            generator = np.random.default_rng(draw)
            chosen = generator.permutation(self.people.max() + 1)[:count]
            first = self._first(chosen)
            place = np.full(self.people.max() + 1, -1)
            place[chosen] = np.arange(count)
            rest = np.setdiff1d(np.arange(len(self.people)), first)
            mate = place[self.people[rest]]
            mated = np.flatnonzero(mate >= 0)
            if not len(mated):
                continue
            foreign = generator.choice(np.flatnonzero(mate < 0), NON_MATED, replace=False)
            probes = np.concatenate([mated, foreign])
            asked, mates = Asked(self.faces[rest[probes]], self.faces[first]), mate[probes]
            for name, form in forms.items():
                score = form(asked)
                best, right = score.max(axis=1), score.argmax(axis=1) == mates
                strangers, hits = best[mates < 0], np.where(right, best, -np.inf)[mates >= 0]
                limits = [np.quantile(strangers, 1 - fpir, method="higher") for fpir in FPIRS]
                at = [float((hits < limit).mean()) for limit in limits]
                at += [float((strangers >= threshold).mean()), float((hits < threshold).mean())]
                found.setdefault(name, []).append(at)
        names = [*(f"fnir_at_{fpir:g}" for fpir in FPIRS), "fpir", "fnir"]
        figures: dict[str, object] = {}
        for form_name, rows in found.items():
            means = np.mean(np.array(rows), axis=0)
            figures[form_name] = {name: round(float(mean), 4) for name, mean in zip(names, means, strict=True)}
        return figures

    def families(self, first: int, forms: Mapping[str, Form], threshold: float) -> dict[str, object]:
        """Galleries of five: somebody with two photos and four people, those whose likeness ranks from `first` on among
        all. FNIR of the second photo; FPIR of the four, each left out in turn and asked about."""
        counts = np.bincount(self.people)
        firsts = self.faces[self._first(np.arange(len(counts)))]
        chosen = np.random.default_rng(SEED).permutation(np.flatnonzero(counts > 1))[:FAMILIES]
        tallies: dict[str, list[tuple[bool, float]]] = {name: [] for name in forms}
        alikeness = []
        for person in chosen:
            similarity = firsts @ firsts[person]
            alike = np.concatenate([[person], np.argsort(-similarity)[first : first + 4]])
            alikeness.append(float(similarity[alike[1:]].mean()))
            gallery = firsts[alike]
            second = self.faces[np.flatnonzero(self.people == person)[1]]
            for name, form in forms.items():
                score = form(Asked(second[None], gallery))[0]
                missed = bool(score.argmax() != 0 or score.max() < threshold)
                named = [
                    bool(form(Asked(gallery[[out]], np.delete(gallery, out, axis=0))).max() >= threshold)
                    for out in range(1, 5)
                ]
                tallies[name].append((missed, float(np.mean(named))))
        return {"rank": first, "families": len(chosen), "similarity": round(float(np.mean(alikeness)), 3)} | {
            name: {
                "fnir": round(float(np.mean([each[0] for each in rows])), 4),
                "fpir": round(float(np.mean([each[1] for each in rows])), 4),
            }
            for name, rows in tallies.items()
        }


if __name__ == "__main__":
    main()
