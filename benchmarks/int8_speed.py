"""How much faster and smaller INT8 is for large encoders: Inception-ResNet-v1 and TransFace-S on every backend.

    python -m benchmarks.int8_speed FACES [--model transface-s]

The architectures have their true shapes and drawn weights: speed and size do not depend on what a model has learnt
(the cosines, which do, are given to show that the files work). FACES is a folder of photos of faces (UTKFace), which
calibrates. Each model is imported, quantized with what facesearch chooses, and timed by
`facesearch.workshop.encoder_benchmark`: FP32 and INT8 of all backends in turns, medians. Writes
benchmarks/results/<--name>.json; the speed of INT8 depends on whether the CPU has VNNI, which is in the results.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import PACKAGES, measured
from benchmarks.drawn_weights import drawn_checkpoint
from facesearch.encoders import EncoderSpec
from facesearch.workshop.encoder_benchmark import BenchRow, bench
from facesearch.workshop.model_import import ImportRequest, import_model
from facesearch.workshop.quantize import BACKENDS, QuantizationReport, quantize_encoder

MODELS = ("facenet-vggface2", "transface-s")
REFERENCE = "fp32@onnx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--model", action="append", help=f"default: {', '.join(MODELS)}")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--name", default="int8_speed", help="of the results")
    arguments = parser.parse_args()
    models = []
    named = "".join(f" --model {name}" for name in arguments.model or ())
    for name in arguments.model or MODELS:
        with tempfile.TemporaryDirectory() as home:
            os.environ["FACESEARCH_HOME"] = home
            import_model(drawn_checkpoint(name, Path(home)), ImportRequest(name))
            made = quantize_encoder(name, backends=BACKENDS, calibration=arguments.faces, step=_say)
            specs = [str(EncoderSpec(name, precision, on)) for precision in ("fp32", "int8") for on in BACKENDS]
            rows = bench(specs, runs=arguments.runs)
        models.append(summary(name, made, rows))
        measured(
            arguments.name,
            {"calibration_photos": made.calibration_images, "runs": arguments.runs, "models": models},
            f"python -m benchmarks.int8_speed utkface{named} --runs {arguments.runs} --name {arguments.name}",
            (*PACKAGES, "timm", "openvino", "nncf"),
        )


def summary(name: str, made: QuantizationReport, rows: list[BenchRow]) -> dict[str, Any]:
    """The figures of one model; ratios are to FP32 on ONNX Runtime, of time at batch 1 and 32."""
    reference = next(row for row in rows if row.encoder == f"{name}:{REFERENCE}")
    files = {each.encoder: each for each in made.files}
    table = []
    for row in rows:
        faster = (reference.ms_batch_1 / row.ms_batch_1, reference.ms_batch_32 / row.ms_batch_32)
        shown = {key: _rounded(value) for key, value in asdict(row).items()}
        shown["faster_than_fp32_onnx"] = [round(ratio, 2) for ratio in faster]
        if file := files.get(row.encoder):
            shown |= {"scheme": file.scheme, "size_ratio": round(file.size_ratio, 4)}
        _say(f"{row.encoder}: {shown}")
        table.append(shown)
    return {"model": name, "weights": "drawn", "rows": table}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    return [round(each, 3) for each in value] if isinstance(value, tuple) else value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
