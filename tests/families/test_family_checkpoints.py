"""Checkpoints are read without running code in them, and every key and shape has to fit."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from benchmarks.drawn_weights import drawn_crops, synthetic_state  # noqa: E402
from facesearch.encoders.networks.strict_loading import load_strictly  # noqa: E402
from facesearch.errors import WeightsError  # noqa: E402
from facesearch.workshop.checkpoint import load_network, read_checkpoint  # noqa: E402

XXS = "edgeface-xxs"


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return synthetic_state(XXS)


def refused(call: Callable[[], object], *parts: str) -> None:
    """`call` raises a `WeightsError` of one line with all of `parts` in it."""
    with pytest.raises(WeightsError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for part in parts:
        assert part in message, message


def embed(path: Path, model: str = XXS) -> Any:
    return load_network(model, path)(torch.from_numpy(drawn_crops(model))).numpy()


def test_all_formats_and_wrappers_give_the_same_network(state: dict[str, Any], tmp_path: Path) -> None:
    save_file(state, tmp_path / "a.safetensors")
    forms: dict[str, Any] = {
        "plain.pt": state,
        "state_dict.pth": {"epoch": 3, "state_dict": state},
        "model.pt": {"model": {f"module.{key}": value for key, value in state.items()}},
        "prefix.pt": {f"model.{key}": value for key, value in state.items()},
    }
    for name, content in forms.items():
        torch.save(content, tmp_path / name)
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    expected = embed(tmp_path / "a.safetensors")
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(embed(tmp_path / "prefix.pt"), expected)
    for name in ("a.safetensors", "plain.pt", "state_dict.pth", "model.pt", "old.pt"):
        read = read_checkpoint(tmp_path / name)
        assert list(read) == list(state) or name == "a.safetensors"
        assert all(torch.equal(read[key], value) for key, value in state.items()), name


def test_low_rank_checkpoint_is_recognised_by_its_keys(tmp_path: Path) -> None:
    low = synthetic_state("edgeface-xs", gamma=0.6)
    torch.save({f"model.{key}": value for key, value in low.items()}, tmp_path / "low.pt")
    network = load_network("edgeface-xs", tmp_path / "low.pt")
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_770_492
    assert not network.training


def test_half_precision_weights_are_widened(state: dict[str, Any], tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in state.items()}, tmp_path / "half.pt")
    network = load_network(XXS, tmp_path / "half.pt")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_facenet_checkpoint_is_taken_without_its_classifier(tmp_path: Path) -> None:
    state = synthetic_state("facenet-casia")
    bare = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    logits = {"logits.weight": torch.zeros(10575, 512), "logits.bias": torch.zeros(10575)}
    save_file({**bare, **logits}, tmp_path / "casia.safetensors")
    path = tmp_path / "casia.safetensors"
    assert "logits" not in dict(load_network("facenet-casia", path).network.named_children())
    refused(lambda: load_network("facenet-vggface2", path), "casia.safetensors", "8631", "those of facenet-casia")


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {marker}",))

    plain, archive, nested = tmp_path / "plain.pt", tmp_path / "archive.pt", tmp_path / "nested.pt"
    plain.write_bytes(pickle.dumps(Attack(), protocol=2))
    torch.save(Attack(), archive)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Attack()}, nested)
    for path in (plain, archive, nested):
        refused(lambda path=path: read_checkpoint(path), path.name, "more in it than tensors")  # type: ignore[misc]
    assert not marker.exists()
    subprocess.run(["touch", str(marker)], check=True)  # the attack would have worked
    assert marker.exists()


def test_damaged_and_foreign_files_are_refused(state: dict[str, Any], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "whole.pt")
    save_file(state, tmp_path / "whole.safetensors")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("whole.pt", "whole.safetensors", "old.pt"):
        data = (tmp_path / name).read_bytes()
        for part in (len(data) // 2, 100, len(data) - 10):
            cut = tmp_path / f"cut-{part}-{name}"
            cut.write_bytes(data[:part])
            refused(lambda cut=cut: read_checkpoint(cut), cut.name)  # type: ignore[misc]
    (tmp_path / "text.pt").write_text("version https://example.invalid/pointer\n")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "pickle.pt").write_bytes(b"\x80\x02" + bytes(range(256)))
    refused(lambda: read_checkpoint(tmp_path / "text.pt"), "text.pt", "neither")
    refused(lambda: read_checkpoint(tmp_path / "empty.pt"), "is empty")
    refused(lambda: read_checkpoint(tmp_path / "pickle.pt"), "pickle.pt")
    refused(lambda: read_checkpoint(tmp_path), "is a folder")
    refused(lambda: read_checkpoint(tmp_path / "none.pt"), "cannot read", "none.pt")


def test_archives_that_are_programs_or_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, bomb, wide = tmp_path / "program.pt", tmp_path / "bomb.pt", tmp_path / "wide.pt"
    with zipfile.ZipFile(program, "w") as archive:
        archive.writestr("net/code/__torch__.py", "")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/0", bytes(1 << 20))
    torch.save({"a": torch.zeros(1).expand(1 << 19)}, wide)
    refused(lambda: read_checkpoint(program), "TorchScript")
    monkeypatch.setattr("facesearch.workshop.checkpoint.MAX_BYTES", 1 << 19)
    refused(lambda: read_checkpoint(bomb), "unpacks from")
    refused(lambda: read_checkpoint(wide), "MiB of tensors")
    (tmp_path / "large.pt").write_bytes(b"PK\x03\x04" + bytes(1 << 19))
    refused(lambda: read_checkpoint(tmp_path / "large.pt"), "larger than")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ([1, 2], "no state dict"),
        ({}, "no state dict"),
        ({"a": torch.zeros(1), "b": 3}, "something else than tensors at 'b'"),
        ({"a": torch.tensor([0.0, float("nan")])}, "NaN"),
        ({"a": torch.tensor([float("inf")])}, "infinite"),
        ({"a": torch.zeros(2, dtype=torch.int8)}, "whole numbers"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "not a plain array"),
        ({"fc._packed_params.dtype": torch.qint8, "fc.scale": torch.ones(1)}, "quantized"),
    ],
)
def test_content_that_is_no_float_state_dict_is_refused(content: object, part: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pt")
    refused(lambda: read_checkpoint(tmp_path / "odd.pt"), "odd.pt", part)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_dynamically_quantized_checkpoint_is_refused(tmp_path: Path) -> None:
    layer = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(torch.nn.Linear(4, 4)), {torch.nn.Linear})
    torch.save(layer.state_dict(), tmp_path / "int8.pt")
    refused(lambda: read_checkpoint(tmp_path / "int8.pt"), "quantized by PyTorch", "FP32")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_file(synthetic_state("facenet-vggface2"), tmp_path / "facenet.safetensors")
    for model in ("transface-s", "edgeface-xs"):
        refused(
            lambda model=model: load_network(model, tmp_path / "facenet.safetensors"),  # type: ignore[misc]
            "facenet.safetensors",
            model,
            "lacks",
            "another model",
        )


def test_missing_unexpected_and_misshapen_keys_are_named(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "faulty.pt"
    torch.save({key: value for key, value in state.items() if key != "head.fc.bias"}, path)
    refused(lambda: load_network(XXS, path), "lacks head.fc.bias")
    torch.save({**state, "logits.weight": torch.zeros(2)}, path)
    refused(lambda: load_network(XXS, path), "also has logits.weight")
    torch.save({**state, "head.fc.bias": torch.zeros(3)}, path)
    refused(lambda: load_network(XXS, path), "head.fc.bias is (3,), not (512,)")
    low = synthetic_state(XXS, gamma=0.5)
    low["head.fc.linear2.weight"] = low["head.fc.linear2.weight"][:, 1:]
    torch.save(low, path)
    refused(lambda: load_network(XXS, path), "head.fc.linear2.weight is")
    torch.save({**low, "head.fc.linear1.weight": torch.tensor(1.0)}, path)
    refused(lambda: load_network(XXS, path), "head.fc")


def test_step_counters_may_be_absent_and_loading_copies() -> None:
    layer = torch.nn.BatchNorm1d(2)
    weights = {key: torch.ones(2) for key in ("weight", "bias", "running_mean", "running_var")}
    load_strictly(layer, weights, "layer")
    weights["weight"][0] = 7
    assert layer.weight[0] == 1
    load_strictly(layer, {**weights, "num_batches_tracked": torch.tensor(5)}, "layer")
    assert layer.num_batches_tracked == 5
