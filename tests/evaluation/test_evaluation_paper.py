from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper import GRID, planned
from benchmarks.template_codes import compare, rounded, top1, unit


def grid() -> dict[str, Any]:
    return tomllib.loads(GRID.read_text(encoding="utf-8"))


def test_every_row_of_the_papers_matrix_is_run_or_says_what_it_lacks() -> None:
    cells = list(planned(grid(), {"lfw": Path("lfw")}, ["torch", "onnx"]))
    assert len(cells) == 3 * 4 * 2 * 2 * 2  # data sets, models, precisions, backends, embeddings
    by = {(cell.data_set, cell.encoder): cell.missing for cell in cells}
    assert by["LFW", "dlib-resnet:fp32@onnx"] == ""
    assert "encoders pull facenet-vggface2" in by["LFW", "facenet-vggface2:fp32@onnx"]
    assert "encoders import glint360k_model_TransFace_S.pt" in by["LFW", "transface-s:int8@torch"]
    assert "encoders quantize" in by["LFW", "dlib-resnet:int8@onnx"]
    assert by["CelebA", "dlib-resnet:fp32@onnx"] == "the data set: --celeba FOLDER"
    only_onnx = planned(grid(), {"lfw": Path("lfw")}, ["onnx"])
    torch = {cell.missing for cell in only_onnx if (cell.data_set, cell.encoder) == ("LFW", "dlib-resnet:fp32@torch")}
    assert torch == {"the asking: --backend torch"}


def test_the_papers_code_is_coarse_and_ours_is_not() -> None:
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(40), 3)
    x = unit((rng.normal(size=(40, 512))[identity] + 0.5 * rng.normal(size=(120, 512))).astype(np.float32))
    assert rounded(x).dtype == np.int8
    np.testing.assert_array_equal(rounded(np.array([[0.5, -1.0]])), [[64, -127]])
    rows = {row["scheme"]: row for row in compare("encoder", x, identity, np.arange(120))}
    paper, ours = rows["round(127 x)"]["cosine_mean"], rows["int8 codec"]["cosine_mean"]
    assert isinstance(paper, float)
    assert isinstance(ours, float)
    assert 0.998 < paper < 0.9992  # 25.8 dB: only five of eight bits are used
    assert ours > 0.9999
    assert rows["float32"]["bytes"] == 4 * 512
    assert rows["int8 codec"]["bytes"] == 512


def test_top1_looks_among_all_other_images() -> None:
    x = unit(np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32))
    np.testing.assert_array_equal(top1(x, x, np.array([0, 0, 1, 2]), np.arange(4)), [True, True, False, False])
