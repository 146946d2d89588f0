"""The matrix of the 2025 evaluation (Monteiro, Raphaloski, Matsubara), wherever its weights and data are at hand.

    python -m benchmarks.paper --lfw LFW --vggface2 VGGFACE2 --celeba CELEBA

What is in the matrix is said by benchmarks/paper.toml. Every row of it that cannot be run is written with what it lacks
and the command that gets it. INT8 files are made by `facesearch encoders quantize MODEL --precision int8 --backend all
--calibration FOLDER`, with `--recipe paper` for the evaluation's own recipe. Writes benchmarks/results/paper.json.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import measured
from benchmarks.lfw_matrix import summary
from facesearch.encoders import EncoderSpec, find_model
from facesearch.errors import FacesearchError
from facesearch.evaluation.matrix import Request, evaluate
from facesearch.evaluation.timing import PACKAGES

GRID = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of the paper's matrix. missing: what it lacks, "" where it can be run."""

    data_set: str
    model: str
    precision: str
    backend: str
    embedding: str
    stand_in: str
    missing: str

    @property
    def encoder(self) -> str:
        return f"{self.model}:{self.precision}@{self.backend}"


def main() -> None:
    grid = tomllib.loads(GRID.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for data_set in grid["data_set"]:
        parser.add_argument(f"--{data_set['option']}", type=Path, help=f"folder of {data_set['name']}")
    parser.add_argument("--limit", type=int, help="only the first so many images of each data set")
    parser.add_argument("--backend", action="append", help="only these; repeatable")
    folders = vars(parser.parse_args())
    limit: int | None = folders.pop("limit")
    backends: list[str] = folders.pop("backend") or grid["backends"]
    cells = list(planned(grid, {name: folder for name, folder in folders.items() if folder is not None}, backends))
    runs = [each for data_set in grid["data_set"] for each in run(grid, data_set, folders, cells, limit)]
    missing = [
        {"data_set": cell.data_set, "encoder": cell.encoder, "embedding": cell.embedding, "lacks": cell.missing}
        for cell in cells
        if cell.missing
    ]
    given = "".join(f" --{name} {name.upper()}" for name, folder in folders.items() if folder is not None)
    given += "".join(f" --backend {name}" for name in backends if backends != grid["backends"])
    count = len(cells) - len(missing)
    payload = {"rows_of_the_matrix": len(cells), "rows_run": count, "runs": runs, "missing": missing}
    written = measured("paper", payload, f"python -m benchmarks.paper{given}", PACKAGES)
    print(f"{count} of {len(cells)} rows run, in {written.name}")
    for row in missing:
        print(f"missing: {row['data_set']}, {row['encoder']}, {row['embedding']}: {row['lacks']}")


def planned(grid: dict[str, Any], folders: dict[str, Path], backends: Sequence[str]) -> Iterator[Cell]:
    """Every row of the matrix; folders: of the data sets that were given, by option; backends: those asked for."""
    for data_set in grid["data_set"]:
        lacks_data = "" if data_set["option"] in folders else f"the data set: --{data_set['option']} FOLDER"
        for model in grid["model"]:
            for precision in grid["precisions"]:
                for backend in grid["backends"]:
                    lacks = lacks_data or _lacks(EncoderSpec(model["name"], precision, backend), model.get("get", ""))
                    if not lacks and backend not in backends:
                        lacks = f"the asking: --backend {backend}"
                    for embedding in grid["embeddings"]:
                        stand_in = model.get("stand_in", "")
                        yield Cell(data_set["name"], model["name"], precision, backend, embedding, stand_in, lacks)


def _lacks(spec: EncoderSpec, get: str) -> str:
    model = find_model(spec.model)
    try:
        model.variant(spec)
    except FacesearchError as error:
        return f"the weights: {get}" if not model.variants and get else str(error)
    return ""


def run(
    grid: dict[str, Any],
    data_set: dict[str, str],
    folders: dict[str, Path | None],
    cells: Sequence[Cell],
    limit: int | None,
) -> Iterator[dict[str, Any]]:
    """What of a data set can be run, once per way of choosing the probes."""
    ready = [cell for cell in cells if cell.data_set == data_set["name"] and not cell.missing]
    folder = folders[data_set["option"]]
    if not ready or folder is None:
        return
    for min_images in grid["min_images"]:
        request = Request(
            folder=folder,
            encoders=tuple(dict.fromkeys(cell.encoder for cell in ready)),
            kinds=tuple(dict.fromkeys(cell.embedding for cell in ready)),
            protocol=grid["protocol"],
            layout=data_set["layout"],
            min_images=min_images,
            limit=limit,
        )
        found = evaluate(request)
        yield {"data_set": data_set["name"], "min_images": min_images, **summary(found, found.seconds)}


if __name__ == "__main__":
    main()
