"""encoders bench: one row per encoder, or one line before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from facesearch.errors import FacesearchError, UnknownEncoderError, UsageError
from facesearch.workshop import encoder_benchmark

ROOT = Path(__file__).parents[2]
KEYS = {
    "encoder",
    "device",
    "file_bytes",
    "ms_batch_1",
    "ms_batch_32",
    "images_per_second",
    "peak_memory_bytes",
    "cosine_to_fp32",
    "least_cosine_to_fp32",
    "speedup_same_backend",
    "speedup_best_fp32",
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facesearch", "encoders", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.slow
def test_bench_gives_a_row_for_each_encoder() -> None:
    done = run("dlib-resnet", "dlib-resnet@torch", "--runs", "1", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["encoder"] for row in rows] == ["dlib-resnet:fp32@onnx", "dlib-resnet:fp32@torch"]
    for row in rows:
        assert row.keys() >= KEYS
        assert row["ms_batch_1"] > 0 and row["ms_batch_32"] > 0 and row["file_bytes"] > 10**6
        assert row["least_cosine_to_fp32"] > 0.9999
        assert row["speedup_same_backend"] == [1, 1]
        assert row["device"] == "cpu"
    onnx, torch = rows
    assert 10**7 < onnx["peak_memory_bytes"] < torch["peak_memory_bytes"]  # each in a process of its own
    assert onnx["images_per_second"] == pytest.approx(1000 / onnx["ms_batch_32"])


def test_bench_shows_a_table() -> None:
    done = run("dlib-resnet", "--runs", "1")
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stdout and "dlib-resnet:fp32@onnx" in done.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["dlib-resnet", "dlib-resnat"], "no model named 'dlib-resnat'; did you mean dlib-resnet?"),
        (["dlib-resnet", "dlib-resnet:int8"], "make it: facesearch encoders quantize dlib-resnet --precision int8"),
        (["dlib-resnet", "dlib-resnet:fp32@onnx"], "dlib-resnet:fp32@onnx is given twice"),
        (["dlib-resnet", "--device", "abacus"], "no device 'abacus' here; there are: cpu"),
    ],
)
def test_one_bad_name_is_one_line_before_anything_runs(words: list[str], answer: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert answer in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_a_bad_request_is_refused_by_the_library_too() -> None:
    with pytest.raises(UsageError, match="--runs is 0"):
        encoder_benchmark.bench(["dlib-resnet"], runs=0)
    with pytest.raises(UnknownEncoderError):
        encoder_benchmark.bench(["dlib-resnet", "nobody"])


def test_a_process_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_benchmark, "_IN_PROCESS", "raise SystemExit(1)")
    with pytest.raises(FacesearchError, match="the memory of dlib-resnet:fp32@onnx could not be measured"):
        encoder_benchmark.bench(["dlib-resnet"], runs=1, threads=1)
