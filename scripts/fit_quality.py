"""Learn how likely a face is to be recognised, for each encoder, on portraits that are made worse on purpose.

    FACESEARCH_HOME=… python -m scripts.fit_quality FOLDER_OF_PORTRAITS FOLDER_OF_PAIRS [--encoder dlib-resnet] …

Every portrait is searched for faces as it is and six times made worse (`facesearch.evaluation.degradations`). With the
similarity s of the worse face to the same face as it is, and similarities of two ordinary photos of a person normal
with mean m and deviation d, that of the worse face to an ordinary photo is taken as s · m, and the probability to reach
the encoder's threshold t as Φ((s · m − t) / d). m and d are those of the pairs in FOLDER_OF_PAIRS (master.csv,
images/).

First a logistic model of the template's components alone is fitted, then one of what it says, for photos that it was
not fitted on, and of the measures. Both are regularised. No measure may count against a face for being better: those
that would are left out, as blurred faces look frontal because their landmarks are those of a mean face. Writes
facesearch/assets/quality.npz and its entry in manifest.json.
"""

from __future__ import annotations

import csv
import io
import sys
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.stats import norm

from facesearch.encoders import find_model
from facesearch.evaluation.degradations import Degradation
from facesearch.faces import CROPS, Face, FaceDetector, find_stage, most_prominent
from facesearch.photos.decoding import load_image
from facesearch.pipeline.quality import GENERIC, OBSERVED, QualityModel, observed
from scripts.portraits import LICENCE, MODELS, Pixels, encoded, parser, photos, write

Floats = npt.NDArray[np.float64]

WORSE = 6  # times each portrait is made worse
FOLDS = 5
_TEMPLATE_PENALTY = 0.1
_PENALTY = 0.01
_LONGEST = 1000  # pixels of a photo of a pair


def main() -> int:
    asked = parser(__doc__)
    asked.add_argument("pairs", type=Path)
    arguments = asked.parse_args()
    models = arguments.encoder or MODELS
    kinds = {find_model(model).crop for model in models}
    seen = _Seen(kinds, arguments.threads)
    for number, path in enumerate(photos(arguments.folder)):
        seen.look(load_image(path), number, zlib.crc32(path.name.encode()))
    clean = np.array(seen.clean)
    measures = np.array(seen.measures)
    arrays: dict[str, Floats] = {}
    for model in models:
        crop = find_model(model).crop
        templates = encoded(model, np.stack(seen.crops[crop]), arguments.threads)
        likely = _recognised(model, (templates * templates[clean]).sum(axis=1), arguments.pairs, arguments.threads)
        fitted = _fitted(templates, measures, likely, np.array(seen.photos))
        told = dict(zip(("template", *OBSERVED, ""), fitted.weights.round(3).tolist(), strict=True))
        arrays |= {f"{model}/template": fitted.template, f"{model}/weights": fitted.weights}
        if model == models[0]:
            weights = np.concatenate([[0.0], _growing(measures, likely)])
            arrays |= {f"{GENERIC}/template": np.zeros(0), f"{GENERIC}/weights": weights}
        print(model, len(templates), "faces, recognised", round(float(likely.mean()), 3), told, flush=True)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{name: value.astype(np.float32) for name, value in arrays.items()})
    write(
        "quality.npz",
        content.getvalue(),
        {
            "licence": LICENCE,
            "origin": "weights of measures and templates that tell how likely a face is recognised, of portraits of "
            "Congress made worse",
            "rebuild": "python -m scripts.fit_quality PORTRAITS PAIRS",
        },
    )
    return 0


class _Seen:
    """Faces of portraits, as they are and made worse: their crops, measures, portraits, and which one is the clean."""

    def __init__(self, kinds: set[str], threads: int) -> None:
        self._detector = FaceDetector(threads=threads)
        self._stage = find_stage("quality")
        self.crops: dict[str, list[Pixels]] = {kind: [] for kind in kinds}
        self.measures: list[Floats] = []
        self.photos: list[int] = []
        self.clean: list[int] = []

    def look(self, image: Pixels, number: int, seed: int) -> None:
        generator, clean = np.random.default_rng(seed), len(self.photos)
        face = self._take(image, number, clean)
        if face is None:
            return
        for _ in range(WORSE):
            worse = Degradation.drawn(generator)
            self._take(worse(image, face, generator), number, clean)

    def _take(self, image: Pixels, number: int, clean: int) -> Face | None:
        faces = self._stage(image, self._detector.detect(image))
        if not faces:
            return None
        face = most_prominent(faces, *image.shape[:2])
        for kind, held in self.crops.items():
            held.append(CROPS[kind].cut(image, face))  # type: ignore[index]
        self.measures.append(observed(face))
        self.photos.append(number)
        self.clean.append(clean)
        return face


def _recognised(model: str, alike: npt.NDArray[np.float32], pairs: Path, threads: int) -> Floats:
    """How likely faces reach the model's threshold, (n,), by their similarity to the same face as it is."""
    ordinary = _ordinary(model, pairs, threads)
    return np.asarray(norm.cdf((alike * ordinary.mean() - find_model(model).threshold) / ordinary.std()))


def _ordinary(model: str, folder: Path, threads: int) -> Floats:
    """Similarities of two photos of one person, as people take them."""
    with (folder / "master.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["file_x"], row["file_y"]) for row in csv.DictReader(file) if row["Decision"] == "Yes"]
    names = sorted({name for row in rows for name in row})
    crop, detector = CROPS[find_model(model).crop], FaceDetector(threads=threads)  # type: ignore[index]
    cuts = {}
    for name in names:
        photo = Image.fromarray(load_image(next(folder.rglob(Path(name).name))))
        photo.thumbnail((_LONGEST, _LONGEST))
        image = np.asarray(photo)
        cuts[name] = crop.cut(image, most_prominent(detector.detect(image), *image.shape[:2]))
    templates = dict(zip(cuts, encoded(model, np.stack(list(cuts.values())), threads), strict=True))
    return np.array([float(templates[one] @ templates[other]) for one, other in rows])


def _fitted(
    templates: npt.NDArray[np.float32], measures: Floats, likely: Floats, photo: npt.NDArray[np.int64]
) -> QualityModel:
    said = np.zeros(len(templates))
    for fold in range(FOLDS):
        inside = photo % FOLDS == fold
        weights = _logistic_regression(templates[~inside], likely[~inside], _TEMPLATE_PENALTY)
        said[inside] = QualityModel(weights, weights).said(templates[inside])
    weights = _growing(np.column_stack([said, measures]), likely)
    return QualityModel(_logistic_regression(templates, likely, _TEMPLATE_PENALTY), weights)


def _growing(values: Floats, target: Floats) -> Floats:
    """As `_logistic_regression`, with 0 for values that would have a negative weight, the most negative left out
    first."""
    kept = np.arange(values.shape[1])
    while True:
        weights = _logistic_regression(values[:, kept], target, _PENALTY)
        spread = weights[:-1] * values[:, kept].std(axis=0)
        if spread.min() >= 0:
            break
        kept = np.delete(kept, spread.argmin())
    whole = np.zeros(values.shape[1] + 1)
    whole[np.append(kept, -1)] = weights
    return whole


def _logistic_regression(values: npt.NDArray[np.floating], target: Floats, penalty: float) -> Floats:
    """Weights (m + 1,) of values (n, m), the constant last, for targets (n,) from 0 to 1; penalty: on the squares of
    weights of standardised values."""
    centre, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64) + 1e-9
    rows = np.column_stack([(values - centre) / spread, np.ones(len(values))])
    weights = np.zeros(rows.shape[1])
    penalties = np.append(np.full(len(weights) - 1, penalty), 0.0)
    for _ in range(100):
        likely = 1 / (1 + np.exp(-rows @ weights))
        curvature = (rows * (likely * (1 - likely) + 1e-6)[:, None]).T @ rows / len(rows) + np.diag(penalties)
        step = np.linalg.solve(curvature, rows.T @ (likely - target) / len(rows) + penalties * weights)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    plain = weights[:-1] / spread
    return np.append(plain, weights[-1] - plain @ centre)


if __name__ == "__main__":
    sys.exit(main())
