"""How the embedded encoder should be stored: FP32, FP16 weights widened at load, or INT8.

    pip install 'facesearch[test]' && python -m benchmarks.embedded_default FOLDER

FOLDER has face images in `utkface/unlabelled`. Fidelity is the cosine to what dlib itself computes from the same chips;
INT8 is calibrated on other images than it is judged on. Encoding is one chip at a time with one thread.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.common import alternating, measured
from facesearch.faces import FaceDetector, find_crop
from facesearch.inference.onnx_session import open_session
from facesearch.photos.decoding import load_image
from scripts.dlib_dat import MODEL_FILE, models_folder
from scripts.dlib_graph import build_dlib_resnet

CALIBRATION = 200
LOADS = 5

Chips = npt.NDArray[np.uint8]
Templates = npt.NDArray[np.float32]


class ChipReader(CalibrationDataReader):  # type: ignore[misc]
    """Gives calibration chips (n, 150, 150, 3) one at a time."""

    def __init__(self, chips: Chips) -> None:
        self._rest = iter(chips)

    def get_next(self) -> dict[str, Chips] | None:
        chip = next(self._rest, None)
        return None if chip is None else {"crops": chip[None]}


def quantized(model: bytes, chips: Chips, *, skip_last: bool) -> bytes:
    """Static INT8 as QDQ: activations U8, weights S8 per channel."""
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "target"))
        source.write_bytes(model)
        quant_pre_process(str(source), str(prepared))
        quantize_static(
            str(prepared),
            str(target),
            ChipReader(chips),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=["embedding"] if skip_last else [],
        )
        return target.read_bytes()


def cut_chips(folder: Path, count: int, kind: str = "dlib-chip") -> Chips:
    """The first `count` images of the folder with exactly one face, as crops of a kind (count, size, size, 3)."""
    detector, chips = FaceDetector(threads=1), []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".jpg":
            continue
        image = load_image(path)
        faces = detector.detect(image)
        if len(faces) == 1:
            chips.append(find_crop(kind).cut(image, faces[0]))
        if len(chips) == count:
            break
    return np.stack(chips)


def unit(rows: npt.NDArray[Any]) -> Templates:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


def encode_all(session: Any, chips: Chips) -> Templates:
    return unit(np.concatenate([session.run(None, {"crops": chip[None]})[0] for chip in chips]))


def load_ms(model: bytes) -> float:
    times = []
    for _ in range(LOADS):
        started = time.perf_counter()
        open_session(model, threads=1)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chips", type=int, default=300, help="chips that fidelity is measured on")
    parser.add_argument("--runs", type=int, default=60, help="timed runs of each candidate")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # the quantizer repeats its advice for every model

    chips = cut_chips(arguments.folder / "utkface" / "unlabelled", CALIBRATION + arguments.chips)
    calibration, probes = chips[:CALIBRATION], chips[CALIBRATION:]
    network = dlib.face_recognition_model_v1(str(models_folder() / MODEL_FILE))
    expected = unit(np.array([network.compute_face_descriptor(chip) for chip in probes]))

    full = build_dlib_resnet(half_weights=False)
    models = {
        "fp32": full,
        "fp16-stored": build_dlib_resnet(half_weights=True),
        "int8-qdq": quantized(full, calibration, skip_last=False),
        "int8-qdq, last layer fp32": quantized(full, calibration, skip_last=True),
    }
    sessions = {name: open_session(model, threads=1) for name, model in models.items()}
    one = {"crops": probes[:1]}
    encode_ms = alternating({name: partial(sessions[name].run, None, one) for name in sessions}, arguments.runs)
    rows = []
    for name, model in models.items():
        cosines = (encode_all(sessions[name], probes) * expected).sum(axis=1, dtype=np.float64)
        rows.append(
            {
                "stored_as": name,
                "bytes": len(model),
                "load_ms": round(load_ms(model), 1),
                "encode_ms": round(encode_ms[name], 2),
                "chips": len(probes),
                "cosine_mean": round(float(cosines.mean()), 8),
                "cosine_min": round(float(cosines.min()), 8),
            }
        )
        print(rows[-1])
    measured("embedded_default", rows, "python -m benchmarks.embedded_default DATA_FOLDER")


if __name__ == "__main__":
    main()
