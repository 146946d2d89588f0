"""People who do not exist: an eigenface model and identities drawn from it.

The model follows Turk and Pentland, "Eigenfaces for Recognition" (1991): a face is the mean face plus a weighted sum of
principal components. As in active appearance models (Cootes, Edwards, Taylor 1998) the five landmarks were brought to
one place before, and where they were is a small model of its own, so that eyes and mouths stay sharp.

The asset `people.npz` holds, for C components of V values and S components of shape:

    mean              (V,)     uint8    luminance (128, 112), then Cb and Cr (32, 28), flattened
    components        (C, V)   int8     times `scale` (C,) float32: unit length
    deviations        (C,)     float32  standard deviation along each component, in grey levels
    symmetric         (C,)     bool     whether the component is alike on both sides of the face
    shape_mean        (10,)    float32  offsets of the five landmarks x, y from `TEMPLATE`, in pixels
    shape_components  (S, 10)  float32
    shape_deviations  (S,)     float32

These are statistics over about sixteen hundred adults, most of them men of European descent; no photograph is among
them. What they do not hold is drawn by rule: the colour of skin, and what makes a face that of a child.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import UsageError, WeightsError
from facesearch.workshop.sample_people.name_list import names

Floats = NDArray[np.float64]

TEXTURE_SIZE = (128, 112)  # height, width in pixels
CHROMA_STEP = 4  # colour needs a quarter of the resolution of luminance
TEMPLATE: Floats = np.array([[35.5, 44.0], [75.5, 44.0], [55.5, 67.0], [39.0, 90.0], [72.0, 90.0]])
"""Where the model has both eyes, the nose and the corners of the mouth: (5, 2) as x, y in pixels."""

_LARGEST_ASSET = 16 * 2**20  # bytes
_MOST_PEOPLE = 2000
_CANDIDATES = 16  # drawn for each person; the one least like the people before it is kept
_CHILDREN = 0.1  # of all people
_TRUNCATION = 2.0  # standard deviations: faces beyond are caricatures


def displacement_basis() -> NDArray[np.float64]:
    """Five smooth fields (5, h, w), each 1 at its own landmark of `TEMPLATE` and 0 at the other four."""
    rows, columns = np.mgrid[: TEXTURE_SIZE[0], : TEXTURE_SIZE[1]]
    grid = np.stack([columns, rows], axis=-1)[None] - TEMPLATE[:, None, None]  # (5, h, w, 2)
    bumps = np.exp(-(grid**2).sum(axis=-1) / (2 * 16.0**2))
    at_landmarks = np.exp(-((TEMPLATE[:, None] - TEMPLATE) ** 2).sum(axis=-1) / (2 * 16.0**2))
    basis: NDArray[np.float64] = np.tensordot(np.linalg.inv(at_landmarks), bumps, axes=1)
    return basis


def face_weight() -> Floats:
    """How much a pixel belongs to the face: (h, w) in [0, 1], an oval that falls off softly."""
    rows, columns = np.mgrid[: TEXTURE_SIZE[0], : TEXTURE_SIZE[1]]
    radius = np.hypot((columns - 55.5) / 50.0, (rows - 66.0) / 58.0)
    t = np.clip((1.0 - radius) / 0.22, 0.0, 1.0)
    weight: Floats = t * t * (3 - 2 * t)
    return weight


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """An identity that was drawn: its name, the seed and number it was drawn with, and what it looks like.

    `coefficients` is (C + S,) float64 in standard deviations of real adults: C of texture, then S of shape. `skin` goes
    from 0, the lightest, to 1, the darkest; `youth` from 0, as old as the coefficients have it, to 1, a child.
    """

    name: str
    seed: int
    number: int
    coefficients: Floats = field(repr=False)
    skin: float = 0.0
    youth: float = 0.0

    @property
    def identity(self) -> str:
        """The name as LFW's folders write it: `Ada_Alder`."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True, slots=True, eq=False)
class FaceModel:
    """The eigenface model; see the head of this module for shapes and units of its arrays."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]  # (C, V), each row times its standard deviation
    deviations: NDArray[np.float32]
    symmetric: NDArray[np.bool_]
    shape_mean: Floats
    shape_components: Floats  # (S, 10), each row times its standard deviation

    @classmethod
    def load(cls, path: Path | None = None) -> FaceModel:
        """The embedded model, or the one in another file that has its manifest (`.json`) beside it.

        Raises WeightsError where the file is missing or not the one that the manifest names.
        """
        return _embedded() if path is None else _read(path)

    def texture(self, coefficients: Floats) -> NDArray[np.float32]:
        """Luminance and chroma (V,) in grey levels for texture coefficients (C,) in standard deviations."""
        values: NDArray[np.float32] = self.mean + coefficients.astype(np.float32) @ self.components
        return values

    def landmarks(self, coefficients: Floats) -> Floats:
        """The five landmarks (5, 2) as x, y in pixels of the texture for shape coefficients (S,)."""
        return TEMPLATE + (self.shape_mean + coefficients @ self.shape_components).reshape(5, 2)


@functools.cache
def _embedded() -> FaceModel:
    with resources.as_file(resources.files("facesearch") / "assets" / "people.npz") as path:
        return _read(path)


def _read(path: Path) -> FaceModel:
    advice = "install facesearch again, or rebuild the file with scripts/build_people.py"
    try:
        if path.stat().st_size > _LARGEST_ASSET:
            raise WeightsError(f"{path}: larger than {_LARGEST_ASSET} bytes, no model of synthetic people; {advice}")
        content = path.read_bytes()
        expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: the model of synthetic people or its manifest cannot be read; {advice}") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise WeightsError(f"{path}: its SHA-256 is not the one in its manifest, the file is damaged; {advice}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = dict(archive)
        deviations = arrays["deviations"]
        scale = (arrays["scale"] * deviations)[:, None]
        return FaceModel(
            mean=arrays["mean"].astype(np.float32),
            components=arrays["components"] * scale,
            deviations=deviations,
            symmetric=arrays["symmetric"],
            shape_mean=arrays["shape_mean"].astype(np.float64),
            shape_components=(arrays["shape_components"] * arrays["shape_deviations"][:, None]).astype(np.float64),
        )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: not a model of synthetic people; {advice}") from error


def draw_people(count: int, seed: int = 0) -> list[Person]:
    """`count` different people, the same for the same seed and a prefix of any longer list.

    Raises UsageError for a negative count or seed, or more than 2,000 people, who would begin to look alike.
    """
    if seed < 0:
        raise UsageError(f"seed {seed} of synthetic people: give 0 or more")
    if not 0 <= count <= _MOST_PEOPLE:
        raise UsageError(f"{count} synthetic people: ask for 0 to {_MOST_PEOPLE}")
    model = FaceModel.load()
    spread = _spread(model)
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    # How much a coefficient shows, to the eye and to encoders alike, goes with the root of its grey levels.
    visible = np.sqrt(np.concatenate([model.deviations, np.full(len(model.shape_components), 400.0)]))
    people: list[Person] = []
    looks = np.zeros((count, len(spread)))  # unit length: an unusual face is no better than a plain one
    for number, name in enumerate(names(count, seed)):
        drawn = generator.standard_normal((_CANDIDATES, len(spread)))
        while (outside := np.abs(drawn) > _TRUNCATION).any():
            drawn[outside] = generator.standard_normal(int(outside.sum()))
        drawn *= spread
        candidates = drawn * visible
        candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
        alike = candidates @ looks[:number].T  # (candidates, number)
        chosen = int(alike.max(axis=1, initial=-1.0).argmin())
        looks[number] = candidates[chosen]
        people.append(Person(name, seed, number, drawn[chosen], *_looks(seed, number)))
    return people


def _looks(seed: int, number: int) -> tuple[float, float]:
    """Skin and youth of a person."""
    own = np.random.default_rng(np.random.SeedSequence([seed, number, 5]))
    skin = own.uniform() ** 1.5  # as cameras expose, light skin covers more of the range than dark skin
    return float(skin), float(own.uniform(0.6, 1.0)) if own.uniform() < _CHILDREN else 0.0


def _spread(model: FaceModel) -> Floats:
    """Standard deviation of each coefficient among the people drawn, (C + S,), as a multiple of real adults'."""
    rank = np.arange(len(model.deviations))
    # The first components are exposure as much as skin, and what differs between the sides of a face is mostly light:
    # at full width these would be photos taken wrongly. The next ones tell people apart best, the last ones are grain.
    texture = np.select([rank < 3, rank < 40, rank < 120], [0.85, 1.2, 0.95], 0.75)
    texture[~model.symmetric] = 0.4
    # The first and the second are the head raised as much as a long face, the third is the head turned.
    shape = np.array([0.8, 0.7, 0.2, 1.1, 1.1, 1.1])[: len(model.shape_components)]
    return np.concatenate([texture, shape])
