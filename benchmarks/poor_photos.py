"""What enrolment's bar for poor photos lets in, keeps out, and prevents.

    python -m benchmarks.poor_photos LFW_FOLDER UTKFACE_FOLDER

- sets: how many of up to 3,000 photos of each folder are rejected as blurred or turned, or enrolled as doubtful.
- blurred: the same photos blurred by Gaussians (standard deviation in pixels), and turned: how many are rejected.
- alike: how alike photos of different people of UTKFace are, each blurred as much, and each to itself as it is.
- poisoned: 40 people of LFW are enrolled, and one more with a blurred photo, without the bar and with it; of 50 others,
  photographed as poorly, how many are given that one's name; ten draws.

The bar was chosen on UTKFace; LFW checks it. Writes benchmarks/results/poor_photos.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.common import measured
from facesearch import Gallery, PipelineSpec, load_encoder
from facesearch.errors import PoorFaceError, RejectedImageError
from facesearch.pipeline.pipeline import Pipeline

RADII = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12)
POISONS = (3, 5, 7, 10, 12)
WHOLE = 3000  # photos of each set as they are
BLURRED = 200  # of them, blurred and turned
ENROLLED, STRANGERS, DRAWS = 40, 50, 10
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    folders = parser.parse_args()
    sets = {"lfw": sorted(folders.lfw.glob("*/*.jpg")), "utkface": sorted(folders.utkface.glob("*.jpg"))}
    pipeline = Pipeline(load_encoder(), PipelineSpec())
    result: dict[str, Any] = {"sets": {}, "blurred": {}, "poisoned": {}}
    for name, photos in sets.items():
        result["sets"][name] = _outcomes(pipeline, _spread(photos, WHOLE), 0, 0)
        print(name, result["sets"][name], flush=True)
        some = _spread(photos, BLURRED)
        result["blurred"][name] = {
            **{f"blur {radius}": _outcomes(pipeline, some, radius, 0) for radius in RADII},
            **{
                word: _outcomes(pipeline, some, 0, quarters)
                for word, quarters in (("on its side", 1), ("upside down", 2))
            },
        }
        for way, counts in result["blurred"][name].items():
            print(name, way, counts, flush=True)
    for radius in POISONS:
        result["poisoned"][radius] = {
            quality: _poisoned(sets["lfw"], radius, quality) for quality in ("off", "standard")
        }
        print("poisoned", radius, result["poisoned"][radius], flush=True)
    result["alike"] = _alike(_spread(sets["utkface"], BLURRED))
    measured("poor_photos", result, "python -m benchmarks.poor_photos LFW_FOLDER UTKFACE_FOLDER")


def _spread(photos: Sequence[Path], most: int) -> Sequence[Path]:
    return photos[:: -(-len(photos) // most)]


def _pixels(path: Path, radius: float, quarters: int = 0) -> np.ndarray:
    photo = Image.open(path).convert("RGB")
    if radius:
        photo = photo.filter(ImageFilter.GaussianBlur(radius))
    return np.ascontiguousarray(np.rot90(np.asarray(photo), quarters))


def _outcomes(pipeline: Pipeline, photos: Sequence[Path], radius: float, quarters: int) -> dict[str, int]:
    counts = Counter({"photos": len(photos)})
    for path in photos:
        try:
            found = pipeline.photo(_pixels(path, radius, quarters), b"")
            counts["enrolled"] += 1
            counts["doubtful"] += found.doubt is not None
        except PoorFaceError as error:
            counts["blurred" if "blurred" in str(error) else "turned"] += 1
        except RejectedImageError:
            counts["no usable face"] += 1
    return dict(counts)


def _alike(photos: Sequence[Path]) -> dict[str, dict[str, float]]:
    pipeline = Pipeline(load_encoder(), PipelineSpec(quality="off"))
    sharp = {path: _template(pipeline, path, 0) for path in photos}
    result = {}
    for radius in (0, *RADII):
        pairs = [(found, sharp[path]) for path in photos if (found := _template(pipeline, path, radius)) is not None]
        pairs = [(found, clear) for found, clear in pairs if clear is not None]
        templates = np.stack([found for found, _ in pairs])
        others = (templates @ templates.T)[np.triu_indices(len(templates), 1)]
        own = [float(found @ clear) for found, clear in pairs if clear is not None]
        result[str(radius)] = {"others": round(float(others.mean()), 3), "own": round(float(np.median(own)), 3)}
        print("alike", radius, result[str(radius)], flush=True)
    return result


def _template(pipeline: Pipeline, path: Path, radius: float) -> np.ndarray | None:
    try:
        return pipeline.prominent(_pixels(path, radius)).template
    except RejectedImageError:
        return None


def _poisoned(photos: Sequence[Path], radius: float, quality: str) -> dict[str, int]:
    generator = np.random.default_rng(SEED)
    firsts = [path for path in photos if path.stem.endswith("_0001")]
    counts = Counter[str]()
    for _ in range(DRAWS):
        drawn = [firsts[number] for number in generator.permutation(len(firsts))[: ENROLLED + STRANGERS + 1]]
        with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", quality=quality) as gallery:
            for path in drawn[:ENROLLED]:
                gallery.enroll(path.parent.name, path)
            counts["enrolled"] += gallery.enroll("Poor", _pixels(drawn[ENROLLED], radius)).templates
            for answers in gallery.identify_photos([_pixels(path, radius) for path in drawn[ENROLLED + 1 :]]):
                if isinstance(answers, RejectedImageError):
                    continue
                counts["strangers"] += 1
                first = answers[0]
                counts["called Poor"] += first.is_match and first.candidates[0].identity == "Poor"
                counts["called somebody else"] += first.is_match and first.candidates[0].identity != "Poor"
    return dict(counts)


if __name__ == "__main__":
    main()
