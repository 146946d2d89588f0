"""Indexes from a thousand templates to a million: right identities, milliseconds, bytes, and how all that grows.

    python -m benchmarks.million --size full --lfw LFW_FOLDER --utkface UTKFACE_FOLDER --cache FOLDER --work FOLDER

The gallery is real templates (EdgeFace-XS over LFW, all but one photo of people who have several, and UTKFace) and then
people who do not exist, drawn like them (`benchmarks.grown_templates`). Probes are the photos left out, and one more
photo of drawn people. Every kind is trained on the gallery itself, capped as the product caps it, and never sees LFW's
names: they only tell whether the best template is of the right person.

--cache: keeps lfw_edgeface_xs.npy, utk_edgeface_xs.npy and lfw_paths.json between runs; made from the photos where they
are missing. --work: takes the grown templates and index files (for a million 2 GB and 3 GB) and what was measured row
by row; a run that was interrupted goes on from there. Without it, all that is deleted at the end.
`--size small` takes 2,000 templates and less than a minute; without photos it draws the "real" ones too.

Building, memory and searching are measured in processes of their own (`benchmarks.million_steps`). Times are
given by the wall and by the processor (all threads together), because the machine may have other work. Kinds and flat
take turns. Writes benchmarks/results/million.json (small: only prints).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import measured
from benchmarks.grown_templates import PHOTOS, Floats, drawn_population, fitted, grown
from indexes import LARGE_GALLERY_KIND

PACKAGES = ("numpy", "faiss-cpu", "onnxruntime")
FULL = (1_000, 10_000, 100_000, 1_000_000)
SMALL = (2_000,)
RERANKED = LARGE_GALLERY_KIND
COMPACT = "pca128,fs32+pca256,pq64"
INVERTED = "pca128,ivf1024,fs32+sq8"
# Kinds, and the largest gallery that each is measured with.
KINDS: tuple[tuple[str, int], ...] = (
    ("flat", 1_000_000),
    (RERANKED, 1_000_000),
    (COMPACT, 1_000_000),
    ("sq8", 1_000_000),
    ("pca256,sq4", 100_000),
    ("pq64", 100_000),
    ("rabitq+sq8", 100_000),
    (INVERTED, 100_000),
    ("hnsw16,sq8", 10_000),
)
PROBES = 1_500  # of drawn people, at most


@dataclass(frozen=True, slots=True)
class Real:
    """Real templates: LFW's (n, d) with the person of each, grouped by person, and others (u, d)."""

    lfw: Floats
    people: NDArray[np.int64]
    others: Floats


@dataclass(frozen=True, slots=True)
class Laid:
    """What lies in the work folder: gallery.npy (n, d), owners.npy (n,), probes.npy (m, d), probed.npy (m,)…"""

    folder: Path
    real_rows: int
    real_probes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--lfw", type=Path)
    parser.add_argument("--utkface", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--kind", action="append", help="only this kind and flat, repeatable")
    arguments = parser.parse_args()
    if arguments.size == "full" and not (arguments.cache or (arguments.lfw and arguments.utkface)):
        parser.error("the full size needs --lfw and --utkface, or a --cache that holds their templates")
    given = arguments.cache or (arguments.lfw and arguments.utkface)
    real = real_templates(arguments.lfw, arguments.utkface, arguments.cache) if given else drawn_templates()
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
    work = arguments.work or Path(tempfile.mkdtemp(prefix="million-"))
    try:
        results = run(real, work, FULL if arguments.size == "full" else SMALL, arguments.kind)
    finally:
        if not arguments.work:
            shutil.rmtree(work)
    if arguments.size == "full":
        command = "python -m benchmarks.million --size full --lfw lfw_deepfunneled --utkface utkface/unlabelled"
        measured("million", results, command, PACKAGES)
    else:
        print(json.dumps(results, indent=2))


def run(real: Real, work: Path, sizes: Sequence[int], kinds: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure all kinds with galleries of all sizes; the results, as they are written."""
    laid = lay_out(real, work, max(sizes))
    written = work / "rows.json"
    rows = json.loads(written.read_text(encoding="utf-8")) if written.exists() else []
    done = {(row["templates"], row["kind"]) for row in rows}
    for size in sorted(sizes, reverse=True):
        for kind, largest in KINDS:
            if size > largest or (kinds and kind not in (*kinds, "flat")) or (size, kind) in done:
                continue
            row: dict[str, Any] = {"templates": size, "kind": kind}
            for step in ("build", "open", "search"):
                row |= in_process(step, work, kind, size)
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
            written.write_text(json.dumps(rows), encoding="utf-8")
            if kind != "flat":
                (work / f"{kind}-{size}.index").unlink()
        (work / f"flat-{size}.index").unlink(missing_ok=True)
    order = [kind for kind, _ in KINDS]
    rows.sort(key=lambda row: (row["templates"], order.index(row["kind"])))
    return {
        "real_templates": laid.real_rows,
        "real_probes": laid.real_probes,
        "drawn_templates_per_person": PHOTOS,
        "reranked": RERANKED,
        "compact": COMPACT,
        "rows": rows,
    }


def in_process(step: str, work: Path, kind: str, size: int) -> dict[str, Any]:
    """What a step of `benchmarks.million_steps` measures, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.million_steps", step, str(work), kind, str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lay_out(real: Real, work: Path, size: int) -> Laid:
    """Write the gallery, its owners, the probes and whom they show; drawn people have numbers behind the real ones'."""
    d = real.lfw.shape[1]
    counts = np.bincount(real.people)
    last = np.cumsum(counts) - 1  # the last photo of each person
    left_out = last[counts >= 2]
    kept = np.setdiff1d(np.arange(len(real.lfw)), left_out)
    enrolled = np.concatenate([real.lfw[kept], real.others])
    owners = np.concatenate([real.people[kept], real.people.max() + 1 + np.arange(len(real.others))])
    laid = Laid(work, min(size, len(enrolled)), len(left_out))
    if (work / "probed.npy").exists():
        return laid
    order = np.random.default_rng(7).permutation(len(enrolled))[:size]
    real_rows = len(order)
    gallery = np.lib.format.open_memmap(work / "gallery.npy", "w+", np.float32, (size, d))
    gallery[:real_rows] = enrolled[order]
    population = fitted(real.lfw, real.people)
    people = -(-(size - real_rows) // PHOTOS)
    wanted = set(np.random.default_rng(8).choice(people, min(PROBES, people), replace=False).tolist())
    first_drawn = int(owners.max()) + 1
    all_owners = np.concatenate([owners[order], first_drawn + np.arange(size - real_rows) // PHOTOS])
    probes, probed = [real.lfw[left_out]], [real.people[left_out]]
    done, person = real_rows, 0
    for templates, asked in grown(population, people):
        some = templates[: size - done]
        gallery[done : done + len(some)] = some
        chosen = [one for one in range(len(asked)) if person + one in wanted]
        probes.append(asked[chosen])
        probed.append(first_drawn + person + np.array(chosen, np.int64))
        done, person = done + len(some), person + len(asked)
    gallery.flush()
    np.save(work / "owners.npy", all_owners)
    np.save(work / "first_drawn.npy", first_drawn)
    np.save(work / "probes.npy", np.concatenate(probes))
    np.save(work / "probed.npy", np.concatenate(probed))
    return laid


def real_templates(lfw: Path | None, utkface: Path | None, cache: Path | None) -> Real:
    """The templates of the photos, from the cache where they lie there already."""
    paths, templates = _encoded(lfw, cache, "lfw")
    names = [path.partition("/")[0] for path in paths]
    people = np.unique(names, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(people, kind="stable")
    return Real(templates[order], people[order], _encoded(utkface, cache, "utk")[1])


def drawn_templates(people: int = 400) -> Real:
    """Templates to try the benchmark with where there are no photos."""
    rows = list(grown(drawn_population(), people, seed=1))
    lfw = np.concatenate([templates for templates, _ in rows])
    others = np.concatenate([probes for _, probes in grown(drawn_population(), people // 2, seed=2)])
    return Real(lfw, np.repeat(np.arange(people), PHOTOS), others)


def _encoded(folder: Path | None, cache: Path | None, name: str) -> tuple[list[str], Floats]:
    kept = cache / f"{name}_edgeface_xs.npy" if cache else None
    listed = cache / f"{name}_paths.json" if cache else None
    if kept and listed and kept.exists() and listed.exists():
        return json.loads(listed.read_text(encoding="utf-8")), np.load(kept)
    if folder is None:
        sys.exit(f"the cache has no {name}_edgeface_xs.npy: name the folder of the photos")
    from benchmarks.lfw_encoders import cut, encode
    from facesearch.encoders.spec import EncoderSpec

    paths = sorted(folder.rglob("*.jpg"))
    templates = encode(EncoderSpec.parse("edgeface-xs:fp32@onnx"), cut(paths, ["arcface"])["arcface"])
    names = [str(path.relative_to(folder)) for path in paths]
    if kept and listed:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, templates)
        listed.write_text(json.dumps(names), encoding="utf-8")
    return names, templates


if __name__ == "__main__":
    main()
