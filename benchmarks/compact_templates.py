"""What a template loses per byte: every kind of code on LFW, learnt on people who are not in it.

    python -m benchmarks.compact_templates LFW_FOLDER UTKFACE_FOLDER [--encoder edgeface-xs] [--cache FOLDER]

Leave-one-out on all photos with a face: every photo whose person has another one is a probe, all other photos are the
gallery, and the probe is right if the nearest template is one of the same person. The gallery is coded; the probe is a
float template, as when a fresh photo is searched for, or (`coded`) decoded from a code itself. Codebooks are learnt on
UTKFace, which is labelled with no identities, has other people, and was used to choose all that the codes leave open.

Differences to the exact search are paired: the same probes, resampled by person (95 % of 2,000 bootstrap samples).
Whole-gallery bytes are those of a real gallery folder, database and index file, with all templates of LFW stored as the
kind's codes, as `index build --kind KIND` leaves them. Writes benchmarks/results/compact_templates.json, a part per
encoder, row by row. Templates are kept in FACESEARCH_HOME, as `facesearch evaluate` keeps them; --cache FOLDER keeps
rows that are done.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import kept_results, measured
from benchmarks.dataset_templates import found_templates
from facesearch.codecs.gallery_codecs import plain_codec
from facesearch.codecs.plain import find_codec
from facesearch.codecs.training import shipped_coder
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.codec_training import read_training_photos
from facesearch.evaluation.datasets import read_dataset
from facesearch.evaluation.statistics import Resamples, interval
from facesearch.gallery.gallery import Gallery
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, open_store
from indexes import Coder, learn_coder, parse_kind

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

NAME = "compact_templates"
KINDS = {  # by dimension of the encoder
    512: (
        *("flat", "tcq64", "tcq32", "tcq16", "tcq128", "sq4", "pca256,sq4", "rabitq", "pq64", "pca256,opq64"),
        *("pca256,opq32", "pca128,opq16", "sq8", "fp16", "opq64", "pq32", "pq16", "pca128,sq4"),
    ),
    128: ("flat", "sq8", "tcq64", "sq4", "pq64", "tcq32", "opq32", "rabitq", "tcq16", "opq16"),
}
_WITH_GALLERY = ("flat", "fp16", "sq8", "sq4", "tcq128", "pca256,sq4", "rabitq", "tcq64", "pq64", "tcq32", "tcq16")
_BATCH = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--encoder", default="edgeface-xs")
    parser.add_argument("--kind", action="append", help="repeatable; default: all of the encoder's dimension")
    parser.add_argument("--cache", type=Path, help="folder that keeps rows that are done")
    arguments = parser.parse_args()
    model, cache = arguments.encoder, arguments.cache
    spec = EncoderSpec.parse(f"{model}:fp32@onnx")
    gallery, owners = found_templates(read_dataset(arguments.lfw), spec)
    others, _ = found_templates(read_training_photos(arguments.utkface), spec)
    people = np.unique(owners, return_inverse=True)[1]
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    exact = np.zeros(0, np.bool_)
    for kind in arguments.kind or KINDS[gallery.shape[1]]:
        kept = cache / f"row-{model}-{kind}.json" if cache else None
        right = cache / f"right-{model}-{kind}.npy" if cache else None
        if kept and right and kept.exists():
            rows.append(json.loads(kept.read_text()))
            exact = np.load(right) if kind == "flat" else exact
        else:
            started = time.perf_counter()
            coder = shipped_coder(model, kind, gallery.shape[1]) or learn_coder(kind, gallery.shape[1], others)
            codes = coder.encode(gallery)
            found, hits = row(coder, codes, gallery, people, exact)
            exact = hits if kind == "flat" else exact
            if kind in _WITH_GALLERY and model == "edgeface-xs":
                found |= whole_gallery(model, coder, codes, people)
            rows.append(found)
            print(f"{found} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
            if kept and right:
                kept.write_text(json.dumps(found))
                np.save(right, hits)
        parts = kept_results(NAME) or {}
        probes = int((np.bincount(people)[people] > 1).sum())
        parts[model] = {"photos": len(gallery), "probes": probes, "learnt_from": len(others), "rows": rows}
        measured(NAME, parts, "python -m benchmarks.compact_templates lfw_deepfunneled utkface --encoder ENCODER")


def row(coder: Coder, codes: Bytes, gallery: Floats, people: Ints, exact: Bools) -> tuple[dict[str, Any], Bools]:
    """The figures of one kind, and which probes it got right (p,)."""
    kind, d = coder.name, coder.dimension
    decoded = coder.decode(codes)
    right = nearest_is_mate(gallery, decoded, people)
    exact = right if kind == "flat" else exact
    lengths = np.linalg.norm(decoded, axis=1)
    coded = nearest_is_mate(decoded / lengths[:, None], decoded, people)
    low, high = paired_interval(right, exact, people)
    return {
        "kind": kind,
        "bytes_per_template": int(parse_kind(kind).bytes_per_vector(d)),
        "full_bytes": 4 * d,
        "codebook_bytes": len(coder.to_bytes()),
        "top1": round(float(right.mean()), 5),
        "points": round(100 * float(right.mean() - exact.mean()), 3),
        "points_low": round(low, 3),
        "points_high": round(high, 3),
        "lost": int((exact & ~right).sum()),
        "gained": int((right & ~exact).sum()),
        "points_coded": round(100 * float(coded.mean() - exact.mean()), 3),
        "cosine": round(float((np.vecdot(decoded, gallery) / lengths).mean()), 5),
    }, right


def nearest_is_mate(probes: Floats, gallery: Floats, people: Ints) -> Bools:
    """Per probe (of those with another photo) whether the nearest of all other photos is of the same person."""
    chosen = np.flatnonzero(np.bincount(people)[people] > 1)
    right = np.zeros(len(chosen), np.bool_)
    for start in range(0, len(chosen), _BATCH):
        some = chosen[start : start + _BATCH]
        scores = probes[some] @ gallery.T  # (b, n)
        scores[np.arange(len(some)), some] = -np.inf
        right[start : start + len(some)] = people[scores.argmax(axis=1)] == people[some]
    return right


def paired_interval(right: Bools, exact: Bools, people: Ints) -> tuple[float, float]:
    """95 % interval of the difference in points, resampled by person."""
    owners = np.unique(people[np.bincount(people)[people] > 1], return_inverse=True)[1]
    differences = right.astype(np.float64) - exact.astype(np.float64)
    low, high = interval(Resamples.draw(int(owners.max()) + 1).means(differences, owners))
    return 100 * low, 100 * high


def whole_gallery(model: str, coder: Coder, codes: Bytes, people: Ints) -> dict[str, int]:
    """Bytes on disk of a gallery of all templates, stored as the kind's codes (n, bytes) and nothing else."""
    kind, key = coder.name, EncoderKey(model, "fp32", "onnx", "0" * 64)
    codec = plain_codec(kind, None)
    plain = None if codec is None else find_codec(str(codec))
    rows = [code.tobytes() for code in codes] if plain is None else plain.encode(coder.decode(codes))
    with tempfile.TemporaryDirectory() as folder:
        with open_store(folder) as store:
            stored = plain.name if plain else store.codebooks.add(kind, coder.to_bytes(), "UTKFace")
            store.settings.configure(GallerySettings(model, coder.dimension, stored, kind), key)
            for start in range(0, len(rows), _BATCH):
                batch = [
                    NewTemplate(
                        identity=f"person {people[at]}",
                        sha256=at.to_bytes(32, "big"),
                        path=f"/photos/person {people[at]}/{at:04d}.jpg",
                        width=250,
                        height=250,
                        code=code,
                        quality=0.999,
                        box=(68.0, 58.0, 115.0, 142.0),
                    )
                    for at, code in enumerate(rows[start : start + _BATCH], start=start)
                ]
                store.templates.add(batch, key, stored)
        with Gallery.open(folder) as opened:
            opened.build_index()
            opened.compact()
            info = opened.info()
    return {"database_bytes": info.database_bytes, "index_bytes": info.index_bytes}


if __name__ == "__main__":
    main()
