"""From a file of weights to an encoder that can be run: strict, whole or not at all, without torch afterwards."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesearch.encoders import CATALOG, find_model, load_encoder, variants
from facesearch.encoders.networks import ARCHITECTURES
from facesearch.encoders.storage import models_folder, read_manifest, stored_names
from facesearch.errors import FacesearchError, UnknownEncoderError, UsageError, WeightsError
from facesearch.workshop import conversion, model_folder, model_import, model_making
from facesearch.workshop.model_folder import file_sha256, remove_model
from facesearch.workshop.model_import import ImportRequest, import_model, pull_model
from facesearch.workshop.onnx_options import OnnxOptions

from .small_models import user_onnx

untested = partial(ImportRequest, sampler=None, trusted=True)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "user.onnx"
    path.write_bytes(user_onnx())
    return path


def entries() -> list[str]:
    """What is in the model folder, but for its lock."""
    folder = models_folder()
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


def refusal(kind: type[FacesearchError], path: Path, request: ImportRequest) -> str:
    """The message of an import that must fail and leave nothing."""
    with pytest.raises(kind) as caught:
        import_model(path, request)
    assert entries() == []
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_every_model_that_is_pulled_can_be_built() -> None:
    assert {model.name for model in CATALOG if model.checkpoint} == set(ARCHITECTURES)


@pytest.mark.parametrize("model", CATALOG, ids=lambda model: model.name)
def test_every_model_says_where_it_comes_from_and_what_may_be_done_with_it(model: Any) -> None:
    assert model.family == model.name
    assert model.terms and model.threshold_source and model.parameters > 10**6
    assert model.embedded or not model.commercial_use  # no other licence is known to allow it
    assert (model.checkpoint is None) == model.embedded
    if model.checkpoint and model.checkpoint.url:
        assert model.checkpoint.url.startswith("https://")
        assert model.checkpoint.url.endswith(f"/{model.checkpoint.file_name}")


def test_a_checkpoint_becomes_an_encoder_for_every_backend(checkpoint: Path) -> None:
    made = import_model(checkpoint, untested("edgeface-xxs"))
    assert made.warnings == ()
    specs = [str(variant.spec) for variant in variants(find_model("edgeface-xxs"))]
    assert specs == ["edgeface-xxs:fp32@onnx", "edgeface-xxs:fp32@openvino", "edgeface-xxs:fp32@torch"]
    assert len({variant.fingerprint for variant in variants(made.model)}) == 1
    files = {path.name for path in (models_folder() / "edgeface-xxs").iterdir()}
    assert files == {"manifest.json", "edgeface-xxs.fp32.onnx", "edgeface-xxs.fp32.safetensors"}
    encoder = load_encoder("edgeface-xxs", threads=1)
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    templates = encoder.encode(crops)
    assert templates.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-5)

    import torch

    from facesearch.workshop.checkpoint import load_network

    network = load_network("edgeface-xxs", models_folder() / "edgeface-xxs" / "edgeface-xxs.fp32.safetensors")
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network(torch.from_numpy(crops))).numpy()
    assert (expected * templates).sum(axis=1).min() > 0.9999

    stored = read_manifest("edgeface-xxs")
    assert stored is not None and stored.source is not None
    assert (stored.source.file_name, stored.source.url) == ("edgeface_xxs.pt", "file")
    assert stored.source.sha256 == file_sha256(checkpoint)
    assert {"torch", "onnx", "facesearch"} <= set(dict(stored.versions))


def test_what_was_imported_runs_where_there_is_no_torch(checkpoint: Path) -> None:
    import_model(checkpoint, untested("edgeface-xxs", name="mine"))
    done = _without_torch("facesearch.load_encoder('mine').encode(numpy.zeros((1, 112, 112, 3), 'u1'))")
    assert done.returncode == 0, done.stderr
    found = find_model("mine")
    assert (found.family, found.licence, found.commercial_use) == ("edgeface-xxs", "not known", False)


@pytest.mark.parametrize("words", ["import {file} --family edgeface-xxs", "pull edgeface-xxs --from {file}"])
def test_without_torch_an_import_is_refused_with_what_to_install(words: str, onnx_file: Path) -> None:
    command = ["facesearch", "encoders", *words.format(file=onnx_file).split()]
    done = _without_torch(f"sys.argv = {command!r}; from facesearch.commands.app import run; run()")
    assert done.returncode == 1
    assert done.stderr.startswith("error: importing edgeface-xxs needs torch, which is not installed: pip install 'fac")
    assert len(done.stderr.splitlines()) == 1
    assert entries() == []


def _without_torch(code: str) -> subprocess.CompletedProcess[str]:
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'timm', 'onnx', 'safetensors')))"
    return subprocess.run(
        [sys.executable, "-c", f"{blocked}; import numpy, facesearch; {code}"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_extra_that_is_broken_is_one_line(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    message = refusal(FacesearchError, checkpoint, untested("edgeface-xxs"))
    assert "needs safetensors.numpy, which does not load: pip install 'facesearch[torch]'" in message


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch executed",))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def _with_code(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Code()))


def _with_nan(path: Path) -> None:
    import torch

    state = torch.load(path, weights_only=True)
    next(iter(state.values()))[0] = float("nan")
    torch.save(state, path)


def _with_more(path: Path) -> None:
    import torch

    torch.save(torch.load(path, weights_only=True) | {"model.more": torch.zeros(3)}, path)


def _text(path: Path) -> None:
    path.write_text("<html>404</html>")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_cut, _with_code, _with_nan, _with_more, _text, _empty])
def test_bad_weights_are_one_line_and_leave_nothing(
    spoil: Callable[[Path], None], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pt"
    shutil.copy(checkpoint, path)
    spoil(path)
    refusal(WeightsError, path, untested("edgeface-xxs"))
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_model_are_refused(checkpoint: Path) -> None:
    assert "is it of another model?" in refusal(WeightsError, checkpoint, untested("edgeface-xs"))
    assert "edgeface_xxs.pt" in refusal(WeightsError, checkpoint, untested("onnx", name="mine"))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (user_onnx(channels=1), "1 channels"),
        (user_onnx(poison=True), "NaN or infinite"),
        (user_onnx()[:-100], "bad.onnx"),
        (b"not a model", "bad.onnx"),
        (b"", "empty"),
    ],
    ids=["one channel", "NaN", "cut", "text", "empty"],
)
def test_a_bad_onnx_file_is_one_line_and_leaves_nothing(data: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    assert complaint in refusal(WeightsError, path, untested("onnx", name="mine"))


def test_any_onnx_file_becomes_an_encoder_in_the_one_convention(onnx_file: Path) -> None:
    options = OnnxOptions(colour="bgr", mean=(100.0, 110.0, 120.0), scale=(0.5, 0.25, 0.125))
    made = import_model(onnx_file, untested("onnx", name="mine", options=options))
    model = find_model("mine")
    assert made.model == model
    assert (model.mean, model.scale) == ((120.0, 110.0, 100.0), (0.125, 0.25, 0.5))  # here red comes first
    assert (model.crop, model.crop_size, model.dimension, model.family) == ("arcface", 112, 32, "onnx")
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    templates = load_encoder("mine").encode(crops)

    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file.read_bytes(), providers=["CPUExecutionProvider"])
    pixels = (crops[..., ::-1].astype(np.float32) - options.mean) * options.scale
    (expected,) = session.run(None, {"input": pixels.transpose(0, 3, 1, 2).astype(np.float32)})
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(templates, expected, atol=1e-4)
    other = import_model(onnx_file, untested("onnx", name="other"))
    assert load_encoder("other").fingerprint != load_encoder("mine").fingerprint
    assert other.source is not None and made.source is not None
    assert other.source.sha256 == made.source.sha256


def test_the_sidecar_says_how_the_input_is_taken_and_the_manifest_remembers(onnx_file: Path) -> None:
    onnx_file.with_name("user.onnx.json").write_text(json.dumps({"colour": "bgr", "mean": 0, "scale": 0.5}))
    import_model(onnx_file, untested("onnx", name="mine"))
    stored = read_manifest("mine")
    assert stored is not None
    assert dict(stored.options) | {"colour": "bgr", "mean": "0.0,0.0,0.0", "size": "112"} == dict(stored.options)
    assert find_model("mine").normalisation == "(x - 0) · 0.5, BGR; unit length"


@pytest.mark.parametrize("where", ["options", "sidecar"])
def test_threshold_and_licence_are_kept_as_they_were_given(where: str, onnx_file: Path) -> None:
    options = OnnxOptions(threshold=-0.25, licence="MIT", commercial=True)
    if where == "sidecar":
        text = json.dumps({"threshold": -0.25, "licence": " MIT ", "commercial": True})
        onnx_file.with_name("user.onnx.json").write_text(text)
    import_model(onnx_file, untested("onnx", name="mine", options=options if where == "options" else None))
    model = find_model("mine")
    assert (model.threshold, model.licence, model.commercial_use) == (-0.25, "MIT", True)
    assert model.threshold_source == "given by the user at the import"
    assert model.terms == "imported from a file; licence and commercial use are as given at the import"
    import_model(onnx_file, untested("onnx", name="other", options=OnnxOptions()))
    other = find_model("other")
    assert (other.threshold, other.licence, other.commercial_use) == (0.4, "not known", False)
    assert "the default of InsightFace Server" in other.threshold_source
    assert load_encoder("other").fingerprint == load_encoder("mine").fingerprint  # they shape no template


def test_an_input_that_is_no_crop_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "user.onnx"
    path.write_bytes(user_onnx())
    message = refusal(WeightsError, path, untested("onnx", name="mine", options=OnnxOptions(crop="mtcnn-margin")))
    assert "takes crops of 112, mtcnn-margin crops are of 160: give the --crop it was trained on" in message


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (untested("resnet"), "no family 'resnet' to import; there are: facenet-vggface2"),
        (untested("dlib-resnet"), "no family 'dlib-resnet' to import"),
        (untested("onnx"), "give the model a name: --name"),
        (untested("onnx", name="../mine"), "cannot be the name of a model"),
        (untested("onnx", name="Mine"), "cannot be the name of a model"),
        (untested("onnx", name="onnx"), "the name onnx is taken by facesearch itself"),
        (untested("onnx", name="edgeface-xs", force=True), "the name edgeface-xs is taken by facesearch itself"),
        (untested("edgeface-xxs", name="dlib-resnet"), "the name dlib-resnet is taken by facesearch itself"),
        (untested("edgeface-xxs", options=OnnxOptions()), "leave out the options that are for ONNX files"),
        (untested("onnx", name="mine", options=OnnxOptions(threshold=float("nan"))), "the option threshold is nan"),
        (untested("onnx", name="mine", options=OnnxOptions(licence="\x1b[31m")), "the option licence is not a text"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_read(
    request_: ImportRequest, complaint: str, onnx_file: Path
) -> None:
    assert complaint in refusal(UsageError, onnx_file, request_)


def test_a_file_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    assert "there is no file" in refusal(UsageError, tmp_path / "no.onnx", untested("onnx", name="mine"))
    assert "is not a file" in refusal(UsageError, tmp_path, untested("onnx", name="mine"))


def test_a_name_that_is_taken_is_kept_unless_forced(onnx_file: Path) -> None:
    import_model(onnx_file, untested("onnx", name="mine"))
    before = load_encoder("mine").fingerprint
    onnx_file.write_bytes(user_onnx(seed=9))
    with pytest.raises(UsageError, match="there is a model named mine: choose another --name, or --force"):
        import_model(onnx_file, untested("onnx", name="mine"))
    assert load_encoder("mine").fingerprint == before
    import_model(onnx_file, untested("onnx", name="mine", force=True))
    assert load_encoder("mine").fingerprint != before
    assert entries() == ["mine"]


@pytest.mark.parametrize("force", [False, True], ids=["new", "replacing"])
@pytest.mark.parametrize(
    ("module", "step"),
    [
        (model_import, "file_sha256"),
        (model_making, "convert_onnx"),
        (conversion, "describe_file"),
        (model_making, "runner"),
        (model_making, "self_test"),
        (model_making, "now"),
        (model_making, "write_manifest"),
        (model_folder, "put_folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_failure_at_any_step_leaves_no_half_model(
    module: Any, step: str, error: BaseException, force: bool, onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ImportRequest("onnx", name="mine", sampler=_noise, trusted=True, force=force)
    if force:
        import_model(onnx_file, replace(request, sampler=None))
        before = load_encoder("mine").fingerprint
        onnx_file.write_bytes(user_onnx(seed=9))

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, step, fail)
        with pytest.raises(type(error)):
            import_model(onnx_file, request)
    assert entries() == (["mine"] if force else [])
    if force:
        assert load_encoder("mine").fingerprint == before
    import_model(onnx_file, request)
    load_encoder("mine")
    assert entries() == ["mine"]


def _noise(kind: str, size: int) -> Any:
    from facesearch.workshop.selftest import LabelledCrops

    crops = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), np.uint8)
    return LabelledCrops(crops, np.array([0, 0, 1, 1]))


def test_a_process_that_is_killed_leaves_no_half_model(onnx_file: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from facesearch.workshop.model_import import ImportRequest, import_model\n"
        "def end(kind, size): os._exit(9)\n"
        "import_model(Path(sys.argv[1]), ImportRequest('onnx', name='mine', trusted=True, sampler=end))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(onnx_file)], cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == 9
    assert stored_names() == []
    assert len(entries()) == 1  # what it had made so far
    with pytest.raises(UnknownEncoderError):
        load_encoder("mine")
    import_model(onnx_file, untested("onnx", name="other"))
    assert entries() == ["other"]


def test_a_removed_model_is_gone(onnx_file: Path) -> None:
    import_model(onnx_file, untested("onnx", name="mine"))
    assert remove_model("mine") > 10_000
    assert entries() == []
    with pytest.raises(UnknownEncoderError, match="no model named 'mine'"):
        load_encoder("mine")
    with pytest.raises(UnknownEncoderError, match="no model named 'mine'"):
        remove_model("mine")
    with pytest.raises(UsageError, match="dlib-resnet comes with facesearch and cannot be removed"):
        remove_model("dlib-resnet")
    with pytest.raises(UsageError, match="edgeface-xs is not on this machine"):
        remove_model("edgeface-xs")


def test_a_pull_of_what_has_no_address_is_refused(onnx_file: Path) -> None:
    import_model(onnx_file, untested("onnx", name="mine"))
    with pytest.raises(UsageError, match="mine was imported from a file and has no address"):
        pull_model(untested("mine"))
    with pytest.raises(UnknownEncoderError, match="no model named 'nothing'"):
        pull_model(untested("nothing"))
    with pytest.raises(
        UsageError, match=r"fetch glint360k_model_TransFace_S.pt by hand .*--from glint360k_model_Trans"
    ):
        pull_model(untested("transface-s"))
    assert pull_model(untested("dlib-resnet")).warnings
