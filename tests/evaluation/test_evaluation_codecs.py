"""Codebooks and filled indexes that an evaluation keeps, and the size of a gallery that uses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.encoders import EncoderSpec
from facesearch.errors import UsageError
from facesearch.evaluation import codec_training, result_cache
from facesearch.evaluation.datasets import Sample
from facesearch.evaluation.sizes import GallerySizes
from facesearch.files import locations

KIND = "pca16,sq4"
DIMENSION = 32

Floats = npt.NDArray[np.float32]


def unit(n: int, seed: int) -> Floats:
    x = np.random.default_rng(seed).normal(size=(n, DIMENSION))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def kept(ending: str) -> list[Path]:
    return sorted((locations.home() / "cache" / "codecs").glob(f"*{ending}"))


def test_a_codebook_is_learnt_once_and_learnt_again_where_it_is_damaged() -> None:
    coder = codec_training.coder_for(KIND, DIMENSION, unit(300, 0))
    assert coder is not None
    (file,) = kept(".coder")
    before = file.stat().st_mtime_ns
    again = codec_training.coder_for(KIND, DIMENSION, unit(300, 0))
    assert again is not None
    assert again.sha256 == coder.sha256
    assert file.stat().st_mtime_ns == before
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    anew = codec_training.coder_for(KIND, DIMENSION, unit(300, 0))
    assert anew is not None
    assert anew.sha256 == coder.sha256
    assert file.read_bytes() != content


def test_kinds_that_are_stored_as_plain_templates_have_no_coder_and_too_few_templates_are_refused() -> None:
    assert codec_training.coder_for("flat", DIMENSION, None) is None
    assert codec_training.coder_for("sq8", DIMENSION, unit(300, 0)) is None
    with pytest.raises(UsageError, match="--codec-training"):
        codec_training.coder_for(KIND, DIMENSION, unit(20, 0))


@pytest.mark.parametrize("kind", [KIND, "sq8", f"pca16,fs4+{KIND}"])
def test_an_index_that_is_kept_answers_as_the_one_that_was_filled(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training, vectors = unit(300, 0), unit(40, 1)
    coder = codec_training.coder_for(kind, DIMENSION, training)
    first = codec_training.filled_index(kind, DIMENSION, coder, training, vectors)
    assert kept(".index") == []
    monkeypatch.setattr(result_cache, "WORTH_KEEPING", -1.0)
    codec_training.filled_index(kind, DIMENSION, coder, training, vectors)
    assert len(kept(".index")) == 1
    monkeypatch.delattr(codec_training, "create_index")
    again = codec_training.filled_index(kind, DIMENSION, coder, training, vectors)
    scores, ids = again.search(unit(5, 2), 3)
    expected_scores, expected_ids = first.search(unit(5, 2), 3)
    assert np.array_equal(scores, expected_scores)
    assert np.array_equal(ids, expected_ids)


def test_a_gallery_of_fewer_templates_than_its_codes_need_to_learn_is_measured() -> None:
    training, vectors = unit(300, 0), unit(7, 1)
    coder = codec_training.coder_for(KIND, DIMENSION, training)
    index = codec_training.filled_index(KIND, DIMENSION, coder, training, vectors)
    assert coder is not None
    samples = [Sample(f"person {number}.jpg", f"person {number}", bytes([number]) * 32) for number in range(7)]
    spec = EncoderSpec("dlib-resnet", "fp32", "onnx")
    found = GallerySizes().of(spec, index, coder, Path("photos"), samples)
    assert found.database > len(coder.to_bytes()) + 7 * coder.code_size
    assert found.index > 7 * coder.code_size
