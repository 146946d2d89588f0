"""The networks have the published sizes and compute what the libraries that define them compute."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.drawn_weights import drawn_crops, drawn_state, synthetic_state  # noqa: E402
from facesearch.encoders import CATALOG  # noqa: E402
from facesearch.encoders.networks import ARCHITECTURES, build_network, edgeface, transface  # noqa: E402
from facesearch.encoders.networks.preprocess import CropNetwork  # noqa: E402
from facesearch.encoders.networks.strict_loading import load_strictly  # noqa: E402
from facesearch.errors import UnknownEncoderError  # noqa: E402

# The first components of the unit embedding of the first drawn crop with the first drawn weights.
FINGERPRINTS = {
    "facenet-casia": [0.01358, 0.00005, -0.00272, -0.03342],
    "transface-s": [-0.06963, 0.02405, 0.01444, -0.01101],
    "edgeface-xxs": [-0.05976, 0.02973, -0.03751, -0.03088],
    "edgeface-xs": [-0.0343, 0.0112, 0.09687, -0.02498],
    "edgeface-s": [0.00431, -0.00084, 0.01671, 0.03052],
    "edgeface-base": [0.02321, -0.01116, -0.05657, -0.0874],
    "edgeface-xs low-rank": [-0.08003, 0.01802, 0.02121, -0.02815],
}


def embed(model: str, gamma: float | None = None) -> Any:
    """Unit embeddings (2, d) of drawn crops by the model with drawn weights."""
    entry = next(each for each in CATALOG if each.name == model)
    state = synthetic_state(model, gamma=gamma)
    module = {"facenet": None, "transface": transface, "edgeface": edgeface}[ARCHITECTURES[model]]
    with torch.device("meta"):
        network = build_network(model) if module is None else module.build(model, state).eval()
    load_strictly(network, state, model)
    crops = torch.from_numpy(drawn_crops(model))
    with torch.inference_mode():
        embedding = CropNetwork(network, entry.mean, entry.scale).eval()(crops)
    assert embedding.shape == (2, entry.dimension)
    assert embedding.dtype == torch.float32
    return torch.nn.functional.normalize(embedding).numpy()


# Trained numbers without the running statistics of batch normalisation, and entries of the state dict; at full rank.
PUBLISHED = {
    "facenet-vggface2": (23_482_624, 714),
    "facenet-casia": (23_482_624, 714),
    "transface-s": (86_660_864, 152),
    "transface-b": (124_471_040, 284),
    "transface-l": (271_630_336, 284),
    "edgeface-xxs": (1_244_744, 160),
    "edgeface-xs": (2_242_620, 214),
    "edgeface-s": (5_437_992, 214),
    "edgeface-base": (18_225_812, 214),
}


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_network_has_the_published_number_of_parameters_and_keys(model: str) -> None:
    with torch.device("meta"):
        network = build_network(model)
    assert (sum(each.numel() for each in network.parameters()), len(network.state_dict())) == PUBLISHED[model]
    assert not network.training


@pytest.mark.parametrize(("model", "gamma", "millions"), [("edgeface-xs", 0.6, 1.77), ("edgeface-s", 0.5, 3.65)])
def test_low_rank_variant_has_the_parameters_of_the_paper(model: str, gamma: float, millions: float) -> None:
    with torch.device("meta"):
        network = edgeface.build(model, synthetic_state(model, gamma=gamma))
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize(
    "model", ["facenet-casia", "transface-s", "edgeface-xxs", "edgeface-xs", "edgeface-s", "edgeface-base"]
)
def test_embedding_of_drawn_weights_is_the_pinned_one(model: str) -> None:
    np.testing.assert_allclose(embed(model)[0, :4], FINGERPRINTS[model], atol=1e-4)


def test_embedding_of_low_rank_weights_is_the_pinned_one() -> None:
    np.testing.assert_allclose(embed("edgeface-xs", 0.6)[0, :4], FINGERPRINTS["edgeface-xs low-rank"], atol=1e-4)


def test_facenet_is_the_network_of_facenet_pytorch_before_its_normalisation() -> None:
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    state = synthetic_state("facenet-vggface2")
    with torch.device("meta"):
        ours, theirs = build_network("facenet-vggface2"), InceptionResnetV1().eval()
    load_strictly(ours, state, "ours")
    load_strictly(theirs, state, "theirs")
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(torch.nn.functional.normalize(ours(images)), theirs(images))


@pytest.mark.parametrize("name", ["edgenext_xx_small", "edgenext_x_small", "edgenext_small", "edgenext_base"])
def test_edgeface_is_the_network_of_timm(name: str) -> None:
    import timm

    with torch.device("meta"):
        network = timm.create_model(name, num_classes=512).eval()
    load_strictly(network, drawn_state(network), name)
    images = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, keys = network(images), list(network.state_dict())
        edgeface.fix_size(network, 112)
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
    assert set(network.state_dict()) == set(keys)


def test_transface_block_is_the_transformer_block_of_timm() -> None:
    from timm.models.vision_transformer import Block

    ours, theirs = transface.TransformerBlock(512).eval(), Block(512, 8, act_layer=torch.nn.ReLU6).eval()
    state = drawn_state(ours)
    load_strictly(ours, state, "ours")
    load_strictly(theirs, state, "theirs")
    tokens = torch.randn(2, 144, 512, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours(tokens), theirs(tokens), rtol=1e-4, atol=1e-4)


def test_transface_sees_only_what_its_patches_cover() -> None:
    network = transface.TransFace(width=512, depth=1)
    images = torch.zeros(1, 3, 112, 112)
    images[:, :, 108:, 108:] = 1
    with torch.inference_mode():
        torch.testing.assert_close(network.patch_embed(images), network.patch_embed(torch.zeros_like(images)))


def test_crops_are_normalised_per_channel_in_rgb_order() -> None:
    network = CropNetwork(torch.nn.Flatten(), mean=(10, 20, 30), scale=(1, 0.5, 0.1))
    crops = torch.tensor([11, 22, 40], dtype=torch.uint8).reshape(1, 1, 1, 3)
    torch.testing.assert_close(network(crops), torch.tensor([[1.0, 1.0, 1.0]]))


def test_unknown_model_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownEncoderError, match="did you mean transface-s"):
        build_network("tranface-s")


def test_missing_package_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnknownEncoderError, match=r"edgeface-xs needs timm.*pip install 'facesearch\[torch\]'"):
        build_network("edgeface-xs")


def test_listing_the_families_needs_no_torch() -> None:
    code = "import sys, facesearch.encoders.networks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
