"""The INT8 embeddings of the 2025 evaluation against ours: bytes, cosine to the float template, top-1.

    python -m benchmarks.template_codes LFW_FOLDER --encoder edgeface-xs:fp32@onnx --encoder dlib-resnet:fp32@onnx

Monteiro, Raphaloski and Matsubara round 127 · x of every component to INT8 and compare the integers by cosine. Here the
same templates are coded so, by our int8 codec (each vector by its own largest component, no scale stored) and by the
kind sq8 as it is ready (each component over ±min(1, 6 / √d)). Every photo of LFW whose person has another one looks for
its nearest among all others; *both* codes the probe as well, as the evaluation did. Their saving counts text: a CSV
cell per template, as their code writes it. Templates come from the cache of `facesearch evaluate`.
Writes benchmarks/results/template_codes.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch.codecs.plain import find_codec
from facesearch.evaluation import metrics, statistics
from facesearch.evaluation.datasets import read_dataset
from facesearch.evaluation.extraction import check_encoders, templates
from facesearch.evaluation.protocols import plan
from facesearch.evaluation.statistics import Resamples
from indexes import create_index

Floats = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", required=True)
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.lfw)
    specs = check_encoders(arguments.encoder)
    held = templates(dataset, specs)
    searches = plan("leave-one-out", [sample.identity for sample in dataset.samples])
    rows = []
    for spec in specs:
        found = held[spec].found
        if not found.all():
            raise SystemExit(f"{int((~found).sum())} photos gave no template")
        rows += compare(str(spec), held[spec].values, searches.identity, searches.mated)
    words = " ".join(f"--encoder {name}" for name in arguments.encoder)
    written = measured(
        "template_codes",
        {"images": len(dataset.samples), "probes": len(searches.mated), "rows": rows},
        f"python -m benchmarks.template_codes lfw_deepfunneled {words}",
        PRODUCT,
    )
    print(written.read_text(encoding="utf-8"))


def rounded(x: Floats) -> npt.NDArray[np.int8]:
    """The evaluation's code: int8(round(127 x)) of unit vectors (n, d)."""
    return np.rint(127 * x).astype(np.int8)


def _paper(x: Floats) -> Floats:
    return unit(rounded(x).astype(np.float32))


def _ours(x: Floats) -> Floats:
    codec = find_codec("int8")
    return codec.decode(codec.encode(x), x.shape[1])


def _sq8(x: Floats) -> Floats:
    index = create_index("sq8", x.shape[1])
    index.add(np.arange(len(x)), x)
    return unit(index.reconstruct(np.arange(len(x))))


def unit(x: Floats) -> Floats:
    """Rows of x (n, d) by their length."""
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


SCHEMES: dict[str, Callable[[Floats], Floats]] = {
    "float32": lambda x: x,
    "round(127 x)": _paper,
    "int8 codec": _ours,
    "sq8": _sq8,
}


def compare(
    encoder: str, x: Floats, identity: npt.NDArray[np.int64], probes: npt.NDArray[np.int64]
) -> list[dict[str, object]]:
    """A row per scheme for templates (n, d)."""
    owners = np.unique(identity[probes], return_inverse=True)[1].astype(np.int64)
    resamples = Resamples.draw(int(owners.max()) + 1)
    exact = top1(x, x, identity, probes)
    rows = []
    for name, scheme in SCHEMES.items():
        stored = scheme(x)
        cosines = metrics.row_cosines(x, stored)
        stored_only, both = top1(x, stored, identity, probes), top1(stored, stored, identity, probes)
        change = statistics.paired("float32", exact, both, owners, resamples)
        rows.append(
            {
                "encoder": encoder,
                "scheme": name,
                "bytes": x.shape[1] * (4 if name == "float32" else 1),
                "cosine_mean": float(cosines.mean()),
                "cosine_p1": float(np.percentile(cosines, 1)),
                "largest_component": float(np.abs(x).max()),
                "top1": float(stored_only.mean()),
                "top1_both": float(both.mean()),
                "top1_both_delta": change.delta,
                "top1_both_delta_ci": change.delta_ci,
                "mcnemar_p": change.p_value,
                "csv_bytes": _csv_bytes(x, name),
            }
        )
    return rows


def top1(
    probe_vectors: Floats, stored: Floats, identity: npt.NDArray[np.int64], probes: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether the nearest other image is of the same person, for each probe."""
    right = []
    for start in range(0, len(probes), 1024):
        block = probes[start : start + 1024]
        scores = probe_vectors[block] @ stored.T
        scores[np.arange(len(block)), block] = -2
        right.append(identity[scores.argmax(axis=1)] == identity[block])
    return np.concatenate(right)


def _csv_bytes(x: Floats, scheme: str) -> float | None:
    """Mean bytes of a template as text, `str(list)`, which is how the evaluation stores it; for its own two schemes."""
    some = x[:200]
    if scheme == "float32":
        texts = [str(row.astype(float).tolist()) for row in some]
    elif scheme == "round(127 x)":
        texts = [str(row.tolist()) for row in rounded(some)]
    else:
        return None
    return float(np.mean([len(text) for text in texts]))


if __name__ == "__main__":
    main()
