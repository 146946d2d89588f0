"""What is missing is said in a line; what is there stays silent on the network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from facesearch.assets import read_asset
from facesearch.encoders import load_encoder
from facesearch.encoders.openvino_file import is_openvino_file, pack, unpack
from facesearch.errors import FacesearchError, UsageError, WeightsError
from facesearch.inference import onnx_session

ROOT = Path(__file__).parents[2]

BLOCKED = """
import sys
for name in {names!r}:
    sys.modules[name] = None
import facesearch
from facesearch.errors import FacesearchError
try:
    facesearch.load_encoder({encoder!r})
except FacesearchError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("names", "encoder", "answer"),
    [
        (["openvino"], "dlib-resnet@openvino", "needs openvino, which is not installed: pip install 'facesearch[op"),
        (["torch"], "dlib-resnet@torch", "needs torch, which is not installed: pip install 'facesearch[torch]'"),
        (["onnx"], "dlib-resnet@torch", "needs onnx, which is not installed: pip install 'facesearch[torch]'"),
    ],
)
def test_a_backend_that_is_not_installed_is_named_with_the_command(names: list[str], encoder: str, answer: str) -> None:
    code = BLOCKED.format(names=names, encoder=encoder)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_openvino_is_imported_without_its_telemetry() -> None:
    pytest.importorskip("openvino")
    code = (
        "import sys, facesearch; facesearch.load_encoder('dlib-resnet@openvino');"
        "print([name for name, module in sys.modules.items() if 'openvino_telemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


class OtherSession:
    """A session in which another provider than the one asked for came up."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def disable_fallback(self) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_does_not_start_is_never_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", OtherSession)
    with pytest.raises(FacesearchError, match="cannot run on cuda: CUDAExecutionProvider does not start"):
        load_encoder(device="cuda")
    with pytest.raises(UsageError, match="no device 'tensorrt' here; there are: cpu, cuda"):
        onnx_session.open_session(b"", device="tensorrt")


def test_a_session_says_what_runs_it() -> None:
    session = onnx_session.open_session(read_asset("dlib-resnet"))
    assert onnx_session.session_device(session) == "cpu"


def test_an_openvino_file_holds_both_parts_and_a_short_one_is_refused() -> None:
    data = pack(b"<net/>", b"\x01\x02\x03")
    assert is_openvino_file(data)
    assert not is_openvino_file(read_asset("dlib-resnet"))
    assert (unpack(data).network, unpack(data).weights) == (b"<net/>", b"\x01\x02\x03")
    assert unpack(pack(b"<net/>", b"")).weights == b""
    for damaged in (b"", data[:12], data[:18], b"x" + data):
        with pytest.raises(WeightsError, match="cut short: quantize the model again"):
            unpack(damaged)


def test_a_network_packed_in_one_file_runs_as_the_one_it_was_made_of(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    import numpy as np

    from facesearch.encoders import find_model
    from facesearch.workshop.model_folder import add_file

    model = openvino.Core().read_model(read_asset("dlib-resnet"))
    openvino.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    packed = tmp_path / "model.ovir"
    packed.write_bytes(pack((tmp_path / "model.xml").read_bytes(), (tmp_path / "model.bin").read_bytes()))
    add_file(find_model("dlib-resnet"), packed, precision="int8", backends=("openvino",), scheme="int8-openvino-test")
    crops = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    found = load_encoder("dlib-resnet:int8@openvino").encode(crops)
    np.testing.assert_allclose(found, load_encoder("dlib-resnet").encode(crops), atol=1e-4)
    packed.write_bytes(pack(b"<net/>", b""))
    add_file(find_model("dlib-resnet"), packed, precision="int8", backends=("openvino",), scheme="int8-openvino-test")
    with pytest.raises(WeightsError, match="OpenVINO cannot read the file of dlib-resnet:int8@openvino"):
        load_encoder("dlib-resnet:int8@openvino")
