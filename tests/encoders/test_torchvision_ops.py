"""torchvision and what builds on it can be imported whether or not its compiled operators load."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from facesearch.encoders.networks.torchvision_ops import plain_nms  # noqa: E402


def run(code: str) -> str:
    """What a fresh interpreter prints, with warnings as errors."""
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def brute_force(boxes: npt.NDArray[np.float64], scores: npt.NDArray[np.float64], threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        overlaps = []
        for j in kept:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            shared = max(width, 0) * max(height, 0)
            areas = sum((boxes[k, 2] - boxes[k, 0]) * (boxes[k, 3] - boxes[k, 1]) for k in (i, j))
            overlaps.append(shared / (areas - shared))
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(i)
    return kept


def random_boxes(seed: int, n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    corner, size = generator.integers(0, 30, (n, 2)), generator.integers(1, 20, (n, 2))
    scores = generator.integers(0, max(n // 2, 1), n) / 8  # with ties
    return np.hstack([corner, corner + size]).astype(np.float64), scores


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_plain_suppression_keeps_what_brute_force_keeps(seed: int, n: int, threshold: float) -> None:
    boxes, scores = random_boxes(seed, n)
    kept = plain_nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert kept.tolist() == brute_force(boxes, scores, threshold)


def test_plain_suppression_agrees_across_its_blocks() -> None:
    boxes, scores = random_boxes(1, 1300)
    boxes += np.random.default_rng(2).integers(0, 300, (1300, 1))
    kept = plain_nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4)
    assert kept.tolist() == brute_force(boxes, scores, 0.4)


def test_mtcnn_of_facenet_pytorch_can_be_imported_even_after_a_failed_import() -> None:
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip("needs facenet-pytorch: pip install 'facesearch[torch]'")
    run(
        "try:\n    import torchvision\nexcept Exception:\n    pass\n"
        "from facesearch.encoders.networks.torchvision_ops import ensure_torchvision\n"
        "ensure_torchvision()\nensure_torchvision()\n"
        "from facenet_pytorch import MTCNN\n"
        "import torch, torchvision\n"
        "boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])\n"
        "kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.6, 0.1]), 0.5)\n"
        "assert kept.tolist() == [1, 2], kept"
    )


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A folder with a package called torchvision that has what is touched of the real one."""
    (tmp_path / "torchvision" / "ops").mkdir(parents=True)
    (tmp_path / "torchvision" / "__init__.py").write_text("from torchvision import ops\n")
    (tmp_path / "torchvision" / f"_C{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    (tmp_path / "torchvision" / "ops" / "__init__.py").write_text("from torchvision.ops import boxes\n")
    (tmp_path / "torchvision" / "ops" / "boxes.py").write_text("def _assert_has_ops():\n    pass\n")
    return tmp_path


def test_where_the_compiled_operators_load_nothing_is_changed(stub: Path) -> None:
    run(
        f"import sys; sys.path.insert(0, {str(stub)!r})\n"
        "import torch\n"
        "loaded = []\n"
        "torch.ops.load_library = loaded.append\n"
        "from facesearch.encoders.networks import torchvision_ops\n"
        "torchvision_ops.ensure_torchvision()\n"
        "from torchvision.ops import boxes\n"
        "assert len(loaded) == 1\n"
        "assert not torchvision_ops._libraries\n"
        "assert boxes._assert_has_ops is not torchvision_ops._pass"
    )


def test_an_import_that_fails_half_way_leaves_nothing_behind(stub: Path) -> None:
    (stub / "torchvision" / "ops" / "boxes.py").write_text("raise RuntimeError('half-way')\n")
    run(
        f"import sys; sys.path.insert(0, {str(stub)!r})\n"
        "from facesearch.encoders.networks.torchvision_ops import ensure_torchvision\n"
        "try:\n    ensure_torchvision()\n"
        "except RuntimeError as error:\n    assert 'half-way' in str(error)\n"
        "else:\n    raise AssertionError\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'torchvision']"
    )
