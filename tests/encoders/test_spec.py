"""How encoders are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.encoders import DEFAULT_MODEL, EncoderSpec
from facesearch.errors import UnknownEncoderError

models = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
words = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)


@given(model=models, precision=words, backend=words)
def test_a_name_read_back_is_the_same_encoder(model: str, precision: str, backend: str) -> None:
    spec = EncoderSpec(model, precision, backend)
    assert EncoderSpec.parse(str(spec)) == spec
    assert EncoderSpec.parse(f"  {str(spec).upper()} ") == spec
    assert EncoderSpec.parse(f"{model}:{precision}") == EncoderSpec(model, precision)
    assert EncoderSpec.parse(f"{model}@{backend}") == EncoderSpec(model, backend=backend)


def test_precision_and_backend_have_defaults() -> None:
    assert str(EncoderSpec.parse(DEFAULT_MODEL)) == "mobilefacenet:fp32@onnx"
    assert EncoderSpec() == EncoderSpec.parse(DEFAULT_MODEL)


@pytest.mark.parametrize(
    "text", ["", ":int8", "model@", "model:", "a b", "model@onnx:int8", "../model", "model:int8@onnx@x"]
)
def test_anything_else_is_refused_with_the_form_to_use(text: str) -> None:
    with pytest.raises(UnknownEncoderError, match=r"model\[:precision\]\[@backend\]") as caught:
        EncoderSpec.parse(text)
    assert "\n" not in str(caught.value)
