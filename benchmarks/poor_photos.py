"""What enrolment's bar for poor photos lets in, keeps out, and prevents.

    python -m benchmarks.poor_photos LFW_FOLDER UTKFACE_FOLDER

- sets: how many of up to 3,000 photos of each folder are rejected as blurred or turned, or enrolled as doubtful.
- blurred: the same photos blurred by Gaussians (standard deviation in pixels), and turned: how many are rejected.
- alike: how alike photos of different people of UTKFace are, each blurred as much, and each to itself as it is.
- poisoned: 40 people of LFW are enrolled, and one more with a poor photo, without the bar and with it; of 50 others,
  photographed as poorly, how many are given that one's name; ten draws. Poor in ways of `POISONS`; the mode filter is
  one that quality was not learnt on.

The bars were chosen on UTKFace; LFW checks them. Writes benchmarks/results/poor_photos.json.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.common import measured
from facesearch import Gallery, PipelineSpec, load_encoder
from facesearch.errors import PoorFaceError, RejectedImageError
from facesearch.pipeline.pipeline import Pipeline

RADII = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12)
WHOLE = 3000  # photos of each set as they are
BLURRED = 200  # of them, blurred and turned
ENROLLED, STRANGERS, DRAWS = 40, 50, 10
SEED = 0

Way = Callable[[Image.Image, int], Image.Image]


def _blurred(radius: float) -> Way:
    return lambda photo, number: photo.filter(ImageFilter.GaussianBlur(radius))


def _moved(pixels: int) -> Way:
    """The camera moves sideways meanwhile."""

    def way(photo: Image.Image, number: int) -> Image.Image:
        wide = np.pad(np.asarray(photo, np.float32), ((0, 0), (pixels // 2, pixels - pixels // 2), (0, 0)), mode="edge")
        moved = np.mean([wide[:, at : at + photo.width] for at in range(pixels)], axis=0)
        return Image.fromarray(moved.astype(np.uint8))

    return way


def _squares(times: int) -> Way:
    def way(photo: Image.Image, number: int) -> Image.Image:
        few = photo.resize((photo.width // times, photo.height // times), Image.Resampling.BOX)
        return few.resize(photo.size, Image.Resampling.NEAREST)

    return way


def _noisy(deviation: float) -> Way:
    def way(photo: Image.Image, number: int) -> Image.Image:
        noise = np.random.default_rng(number).normal(0.0, deviation, (photo.height, photo.width, 3))
        return Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))

    return way


def _compressed(quality: int) -> Way:
    def way(photo: Image.Image, number: int) -> Image.Image:
        written = io.BytesIO()
        photo.save(written, "JPEG", quality=quality)
        return Image.open(written).convert("RGB")

    return way


def _barred(photo: Image.Image, number: int) -> Image.Image:
    """A black bar over the eyes, where LFW's aligned photos have them."""
    barred = photo.copy()
    barred.paste((0, 0, 0), (80, 100, 170, 125))
    return barred


POISONS: dict[str, Way] = {
    **{f"blur of {radius} pixels": _blurred(radius) for radius in (3, 5, 7, 10, 12)},
    **{f"moved by {pixels} pixels": _moved(pixels) for pixels in (13, 19, 25)},
    **{f"squares of {times} pixels": _squares(times) for times in (6, 8)},
    **{f"noise of {deviation}": _noisy(deviation) for deviation in (60, 80)},
    **{f"JPEG of quality {quality}": _compressed(quality) for quality in (5, 2)},
    "mode of 11 × 11 pixels": lambda photo, number: photo.filter(ImageFilter.ModeFilter(11)),
    "a bar over the eyes": _barred,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--encoder", action="append", help="that photos are poisoned for")
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
    for encoder in folders.encoder or ["mobilefacenet"]:
        result["poisoned"][encoder] = _poisoned(sets["lfw"], encoder)
    result["alike"] = _alike(_spread(sets["utkface"], BLURRED))
    command = "python -m benchmarks.poor_photos LFW_FOLDER UTKFACE_FOLDER"
    measured("poor_photos", result, f"{command} --encoder mobilefacenet --encoder edgeface-xs")


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
            counts[next((word for word in ("blurred", "too poor") if word in str(error)), "turned")] += 1
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


def _poisoned(photos: Sequence[Path], encoder: str) -> dict[str, dict[str, Counter[str]]]:
    generator = np.random.default_rng(SEED)
    firsts = [path for path in photos if path.stem.endswith("_0001")]
    result = {name: {quality: Counter[str]() for quality in ("off", "standard")} for name in POISONS}
    for _ in range(DRAWS):
        drawn = [firsts[number] for number in generator.permutation(len(firsts))[: ENROLLED + STRANGERS + 1]]
        with tempfile.TemporaryDirectory() as folder:
            with Gallery.open(folder, encoder=encoder) as gallery:
                for path in drawn[:ENROLLED]:
                    gallery.enroll(path.parent.name, path)
            for name, way in POISONS.items():
                poor = [
                    np.asarray(way(Image.open(path).convert("RGB"), number))
                    for number, path in enumerate(drawn[ENROLLED:])
                ]
                for quality, counts in result[name].items():
                    with Gallery.open(folder, quality=quality) as gallery:
                        _poison(gallery, poor, counts)
    for name, found in result.items():
        print("poisoned", encoder, name, found, flush=True)
    return result


def _poison(gallery: Gallery, photos: Sequence[np.ndarray], counts: Counter[str]) -> None:
    """Enrol the first photo as Poor, ask who is on the others, and forget it."""
    called = 0
    enrolled = gallery.enroll("Poor", photos[0]).templates
    counts["enrolled"] += enrolled
    for answers in gallery.identify_photos(photos[1:]):
        if isinstance(answers, RejectedImageError):
            continue
        counts["strangers"] += 1
        called += answers[0].name == "Poor"
        counts["called somebody else"] += answers[0].name not in (None, "Poor")
    counts["called Poor"] += called
    counts["most of a draw"] = max(counts["most of a draw"], called)
    if enrolled:
        gallery.forget("Poor")


if __name__ == "__main__":
    main()
