"""How good the embedded default is on real photos, end to end: detection, alignment, encoding, enrolment, search.

    python -m benchmarks.lfw_default LFW_FOLDER

LFW_FOLDER holds Labeled Faces in the Wild, deep-funneled, as `<person>/<person>_NNNN.jpg`, and its `pairs.txt`.
Nothing of the default was trained, calibrated or set on these photos. Two protocols: LFW's 6,000 pairs in ten folds
(Huang et al., 2007), and gallery-probe: of the people with two photos or more, the first is enrolled, all others are
probes. Photos without a face count as errors and misses. Writes benchmarks/results/lfw_default.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT, Encoded, counted, encode_photos, reason
from facesearch import Gallery, Photo, load_encoder
from facesearch.gallery.answers import Candidate

_RANKS = (1, 5, 10)
_FALSE_MATCH_RATES = (0.001, 0.01)
_RESAMPLES = 2000
_SEED = 0

Floats = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    paths = sorted(folder.glob("*/*.jpg"))
    encoded = dict(zip(paths, encode_photos(paths), strict=True))
    written = measured(
        "lfw_default",
        {
            "encoder": str(load_encoder().spec),
            "default_threshold": load_encoder().threshold,
            "photos": _photos(encoded),
            "pairs": pairs_protocol(read_pairs(folder), encoded),
            "gallery_probe": gallery_probe(encoded),
        },
        "python -m benchmarks.lfw_default lfw_deepfunneled",
        PRODUCT,
    )
    print(written.read_text(encoding="utf-8"))


def _photos(encoded: dict[Path, Encoded]) -> dict[str, object]:
    without = sum(one.template is None for one in encoded.values())
    rejections = [one.rejection for one in encoded.values() if one.rejection]
    return {
        "images": len(encoded),
        "identities": len({path.parent.name for path in encoded}),
        "without_a_face": without,
        "share_without_a_face": without / len(encoded),
        "enrolment_would_reject": len(rejections),
        "share_enrolment_would_reject": len(rejections) / len(encoded),
        "rejected_by_reason": counted(rejections),
    }


# pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, whether they show one person, and the fold (0 to 9) that the pair belongs to."""

    a: Path
    b: Path
    mated: bool
    fold: int


def read_pairs(folder: Path) -> list[Pair]:
    """LFW's `pairs.txt`: per fold 300 lines `name i j`, then 300 lines `name i name j`."""
    head, *lines = (folder / "pairs.txt").read_text(encoding="utf-8").splitlines()
    per_fold = 2 * int(head.split()[1])
    pairs = []
    for number, line in enumerate(lines):
        words = line.split("\t")
        mated = len(words) == 3
        a, i, b, j = (words[0], words[1], words[0], words[2]) if mated else words
        pairs.append(Pair(_photo(folder, a, i), _photo(folder, b, j), mated, number // per_fold))
    return pairs


def _photo(folder: Path, name: str, number: str) -> Path:
    return folder / name / f"{name}_{int(number):04d}.jpg"


def pairs_protocol(pairs: Sequence[Pair], encoded: dict[Path, Encoded]) -> dict[str, object]:
    """Accuracy over ten folds, each with the threshold that is best on the other nine, and TMR at fixed FMR."""
    similarity = np.array([_similarity(encoded[pair.a], encoded[pair.b]) for pair in pairs])
    mated = np.array([pair.mated for pair in pairs])
    accuracy, deviation = pair_accuracy(similarity, mated, np.array([pair.fold for pair in pairs]))
    default = load_encoder().threshold
    return {
        "pairs": len(pairs),
        "pairs_without_a_face": int(np.isnan(similarity).sum()),
        "accuracy": accuracy,
        "accuracy_std": deviation,
        "tmr_at_fmr": {str(fmr): true_match_rate(similarity, mated, fmr) for fmr in _FALSE_MATCH_RATES},
        "at_default_threshold": {
            "accuracy": float(correct(similarity, mated, default).mean()),
            "fmr": float((similarity[~mated] >= default).mean()),
            "fnmr": float(1 - (similarity[mated] >= default).mean()),
        },
    }


def pair_accuracy(similarity: Floats, mated: npt.NDArray[np.bool_], fold: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Mean and standard deviation over the folds of the pairs decided rightly, threshold from the other folds.

    similarity, mated, fold: (n,); similarity is NaN where a photo has no face.
    """
    accuracies = []
    for held_out in np.unique(fold):
        rest, own = fold != held_out, fold == held_out
        threshold = best_threshold(similarity[rest], mated[rest])
        accuracies.append(float(correct(similarity[own], mated[own], threshold).mean()))
    return float(np.mean(accuracies)), float(np.std(accuracies))


def _similarity(a: Encoded, b: Encoded) -> float:
    """Cosine; NaN where a photo has no face, which no threshold makes right."""
    return float("nan") if a.template is None or b.template is None else float(a.template @ b.template)


def correct(similarity: Floats, mated: npt.NDArray[np.bool_], threshold: float) -> npt.NDArray[np.bool_]:
    """Which pairs (n,) are decided rightly; never one without similarity."""
    right: npt.NDArray[np.bool_] = ((similarity >= threshold) == mated) & ~np.isnan(similarity)
    return right


def best_threshold(similarity: Floats, mated: npt.NDArray[np.bool_]) -> float:
    """The similarity that decides most pairs rightly; the middle one of several."""
    known = ~np.isnan(similarity)
    order = np.argsort(similarity[known])
    ranked, labels = similarity[known][order], mated[known][order]
    # from position i on a pair counts as mated
    right = np.concatenate([[0], np.cumsum(~labels)])[:-1] + np.cumsum(labels[::-1])[::-1]
    best = np.flatnonzero(right == right.max())
    return float(ranked[best[len(best) // 2]])


def true_match_rate(similarity: Floats, mated: npt.NDArray[np.bool_], fmr: float) -> float:
    """The share of mated pairs above the lowest threshold that lets through at most `fmr` of the others."""
    others = np.sort(similarity[~mated & ~np.isnan(similarity)])[::-1]
    threshold = others[int(fmr * (~mated).sum())]
    return float((similarity[mated] > threshold).mean())


# gallery-probe


def gallery_probe(encoded: dict[Path, Encoded]) -> dict[str, object]:
    """First photos enrolled through the product, all others of the same people searched."""
    people: dict[str, list[Path]] = {}
    for path in sorted(encoded):
        people.setdefault(path.parent.name, []).append(path)
    people = {name: photos for name, photos in people.items() if len(photos) > 1}
    probes = [path for photos in people.values() for path in photos[1:]]
    found = [path for path in probes if encoded[path].template is not None]
    with tempfile.TemporaryDirectory() as scratch, Gallery.open(Path(scratch) / "gallery") as gallery:
        report = gallery.enroll_photos([Photo(name, photos[0]) for name, photos in people.items()])
        templates = [template for path in found if (template := encoded[path].template) is not None]
        answers = dict(zip(found, gallery.search(np.stack(templates), k=max(_RANKS)), strict=True))
        threshold = gallery.threshold
    without_mate = sum(len(people[Path(item.path).parent.name]) - 1 for item in report.rejected)
    best = {path: answers[path][0] for path in found}
    named = np.array([best[path].identity == path.parent.name if path in best else False for path in probes])
    above = np.array([best[path].similarity >= threshold if path in best else False for path in probes])
    return {
        "identities": len(people),
        "enrolled": report.templates,
        "failed_to_enrol": len(report.rejected),
        "failed_to_enrol_by_reason": counted(reason(item.reason) for item in report.rejected),
        "probes": len(probes),
        "probes_without_a_face": len(probes) - len(found),
        "probes_without_enrolled_mate": without_mate,
        **{f"top{rank}": _rate(_hits(probes, answers, rank), probes) for rank in _RANKS},
        "top1_of_probes_with_enrolled_mate": float(_hits(probes, answers, 1).sum() / (len(probes) - without_mate)),
        "top1_if_most_prominent_faces_were_enrolled": _top1_of_most_prominent(people, encoded),
        "at_default_threshold": {
            "threshold": threshold,
            "matched_rightly": _rate(named & above, probes),
            "matched_wrongly": _rate(~named & above, probes),
        },
        "interval": f"95 %, bootstrap over identities, {_RESAMPLES} resamples, seed {_SEED}",
    }


def _top1_of_most_prominent(people: dict[str, list[Path]], encoded: dict[Path, Encoded]) -> float:
    """Top-1 if enrolment took the most prominent face of a photo also where another one might be meant."""
    owners = np.array([name for name, photos in people.items() if encoded[photos[0]].template is not None])
    gallery = np.stack([one for photos in people.values() if (one := encoded[photos[0]].template) is not None])
    right = []
    for name, photos in people.items():
        for path in photos[1:]:
            probe = encoded[path].template
            right.append(probe is not None and owners[np.argmax(gallery @ probe)] == name)
    return float(np.mean(right))


def _hits(probes: Sequence[Path], answers: dict[Path, list[Candidate]], rank: int) -> npt.NDArray[np.bool_]:
    """Which probes have their own identity among the first `rank` candidates."""
    return np.array([path.parent.name in [item.identity for item in answers.get(path, [])[:rank]] for path in probes])


def _rate(hits: npt.NDArray[np.bool_], probes: Sequence[Path]) -> dict[str, object]:
    """The share of hits among probes, with its interval."""
    _, owner = np.unique([path.parent.name for path in probes], return_inverse=True)
    searches = np.bincount(owner)  # (identities,)
    right = np.bincount(owner, weights=hits)
    generator = np.random.default_rng(_SEED)
    drawn = generator.integers(0, len(searches), (_RESAMPLES, len(searches)))
    rates = right[drawn].sum(axis=1) / searches[drawn].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    return {"rate": float(hits.mean()), "interval": [float(low), float(high)]}


if __name__ == "__main__":
    main()
