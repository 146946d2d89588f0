"""Encoders compared on LFW: every model, precision and backend named, on the same crops of the product's own detector.

    python -m benchmarks.lfw_encoders LFW_FOLDER --encoder edgeface-xs:fp32@onnx --encoder edgeface-xs:int8@onnx …

The 7,701 photos of the pairs protocol are detected once and cropped as each model wants. Per encoder: accuracy over the
6,000 pairs (ten folds, threshold from the other nine), leave-one-out top-1 (every photo whose person has another one is
a probe, all other photos are the gallery), and the cosine to the first encoder named of the same model, which should be
its FP32. Nothing was calibrated on these photos. Writes benchmarks/results/<--name>.json, row by row.

What an encoder's INT8 file was made with is in its row: `facesearch encoders quantize MODEL --precision int8
--backend all --calibration UTKFACE`, and for lfw_paper_recipe.json with `--backend onnx --recipe paper`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import PACKAGES, measured
from benchmarks.lfw_default import Pair, pair_accuracy, read_pairs
from facesearch.encoders import Encoder, find_model, load_encoder, variants
from facesearch.encoders.spec import EncoderSpec
from facesearch.faces import CROPS, FaceDetector, most_prominent
from facesearch.photos.decoding import load_image

Crops = npt.NDArray[np.uint8]
Templates = npt.NDArray[np.float32]

_PACKAGES = (*PACKAGES, "timm", "openvino", "nncf")
_BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", action="append", required=True, help="model:precision@backend, repeatable")
    parser.add_argument("--name", default="lfw_encoders", help="of the results")
    arguments = parser.parse_args()
    specs = [EncoderSpec.parse(name) for name in arguments.encoder]
    pairs = read_pairs(arguments.folder)
    paths = sorted({path for pair in pairs for path in (pair.a, pair.b)})
    kinds = sorted({str(find_model(spec.model).crop) for spec in specs})
    crops = cut(paths, kinds)
    references: dict[str, Templates] = {}
    rows = []
    for spec in specs:
        started = time.perf_counter()
        templates = encode(spec, crops[find_model(spec.model).crop])
        reference = references.setdefault(spec.model, templates)
        rows.append(row(spec, templates, reference, paths, pairs))
        print(f"{rows[-1]} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        words = " ".join(f"--encoder {name}" for name in arguments.encoder)
        command = f"python -m benchmarks.lfw_encoders lfw_deepfunneled --name {arguments.name} {words}"
        measured(arguments.name, {"photos": len(paths), "pairs": len(pairs), "rows": rows}, command, _PACKAGES)


def cut(paths: Sequence[Path], kinds: Sequence[str]) -> dict[str, Crops]:
    """Per kind of crop the most prominent face of every photo: (n, size, size, 3) uint8; black where there is none."""
    detector = FaceDetector(threads=1)
    chosen = [crop for crop in CROPS.values() if crop.name in kinds]
    cuts: dict[str, Crops] = {crop.name: np.zeros((len(paths), crop.size, crop.size, 3), np.uint8) for crop in chosen}

    def fill(position: int) -> None:
        image = load_image(paths[position])
        faces = detector.detect(image)
        if faces:
            face = most_prominent(faces, *image.shape[:2])
            for crop in chosen:
                cuts[crop.name][position] = crop.cut(image, face)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(len(paths))))
    return cuts


def encode(spec: EncoderSpec, crops: Crops) -> Templates:
    """Templates (n, d) of the crops (n, size, size, 3)."""
    return encode_all(load_encoder(str(spec)), crops)


def encode_all(encoder: Encoder, crops: Crops) -> Templates:
    """The same of an encoder that is loaded already."""
    return np.concatenate([encoder.encode(crops[at : at + _BATCH]) for at in range(0, len(crops), _BATCH)])


def row(
    spec: EncoderSpec, templates: Templates, reference: Templates, paths: Sequence[Path], pairs: Sequence[Pair]
) -> dict[str, object]:
    """The figures of one encoder."""
    position = {path: at for at, path in enumerate(paths)}
    similarity = np.array([float(templates[position[p.a]] @ templates[position[p.b]]) for p in pairs])
    mean, deviation = pair_accuracy(similarity, np.array([p.mated for p in pairs]), np.array([p.fold for p in pairs]))
    cosine = np.sum(templates * reference, axis=1)
    probes, hits = leave_one_out(templates, [path.parent.name for path in paths])
    model = find_model(spec.model)
    file = model.variant(spec).file
    return {
        "encoder": str(spec),
        "file": file.path.name if file else "embedded",
        "file_bytes": next(each.size_bytes for each in variants(model) if each.spec == spec),
        "accuracy": round(mean, 5),
        "accuracy_std": round(deviation, 5),
        "top1": round(hits / probes, 5),
        "probes": probes,
        "cosine_to_fp32_mean": round(float(cosine.mean()), 5),
        "cosine_to_fp32_p1": round(float(np.percentile(cosine, 1)), 5),
        "cosine_to_fp32_min": round(float(cosine.min()), 5),
    }


def leave_one_out(templates: Templates, people: Sequence[str]) -> tuple[int, int]:
    """How many photos have another of the same person, and of those, whose nearest other photo is of that person."""
    probes, hits = nearest_is_mate(templates, people)
    return len(probes), int(hits.sum())


def nearest_is_mate(templates: Templates, people: Sequence[str]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Positions (m,) of the photos that have another of the same person, and whether their nearest one is of them."""
    names = np.unique(people, return_inverse=True)[1]
    probes = np.flatnonzero(np.bincount(names)[names] > 1)
    hits = np.zeros(len(probes), np.bool_)
    for start in range(0, len(probes), 1000):
        some = probes[start : start + 1000]
        similarity = templates[some] @ templates.T  # (b, n)
        similarity[np.arange(len(some)), some] = -2
        hits[start : start + 1000] = names[similarity.argmax(axis=1)] == names[some]
    return probes, hits


if __name__ == "__main__":
    main()
