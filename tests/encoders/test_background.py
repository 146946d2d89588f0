"""How alike encoders find people: what a background says of numbers of others, and how it is measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.encoders import find_model
from facesearch.encoders.background import OTHERS, Background, measured, shipped

Floats = npt.NDArray[np.float32]
D = 64


def unit(x: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), np.float32)


def strangers(count: int, seed: int = 0) -> Floats:
    """Templates (count, D) that point anywhere."""
    return unit(np.random.default_rng(seed).normal(size=(count, D)))


def crowd(count: int, seed: int = 0) -> Floats:
    """Templates (count, D) that are alike: pairs have cosines of about 0.5."""
    return unit(strangers(count, seed) + strangers(1, seed + 1))


def test_between_the_numbers_measured_the_level_follows_their_logarithm() -> None:
    background = Background((1, 4, 16), (0.1, 0.3, 0.4))
    levels = [background.level(others) for others in (1, 2, 4, 8, 16)]
    assert levels == pytest.approx([0.1, 0.2, 0.3, 0.35, 0.4])


def test_outside_of_the_numbers_measured_the_level_stays_as_it_is() -> None:
    background = Background((10, 100), (0.1, 0.3))
    assert background.level(100) == background.level(101) == background.level(10**7) == pytest.approx(0.3)
    assert background.level(-1) == background.level(0) == background.level(9) == background.level(10)


@pytest.mark.parametrize(
    ("others", "mean"),
    [
        ((), ()),
        ((0, 4), (0.1, 0.2)),
        ((1, 4, 4), (0.1, 0.2, 0.3)),
        ((1, 8, 4), (0.1, 0.2, 0.3)),
        ((1, 4), (0.1,)),
        ((1, 4), (0.1, float("nan"))),
        ((1, 4), (0.1, float("inf"))),
    ],
)
def test_values_that_are_no_background_are_refused(others: tuple[int, ...], mean: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no background") as refused:
        Background(others, mean)
    assert "\n" not in str(refused.value)


def test_the_more_others_there_are_the_more_alike_are_the_nearest() -> None:
    found = measured(strangers(1200))
    assert found.others == (100, 200, 500)
    assert list(found.mean) == sorted(found.mean)
    assert 0.2 < found.mean[0] < found.mean[-1] < 0.5


def test_a_crowd_of_the_same_size_lies_higher() -> None:
    alike, others = measured(crowd(420)), measured(strangers(420))
    assert alike.others == others.others
    assert all(high > low + 0.2 for high, low in zip(alike.mean, others.mean, strict=True))


def test_the_same_templates_give_the_same_background() -> None:
    assert measured(strangers(240)) == measured(strangers(240))


def test_numbers_of_others_that_would_take_more_than_half_of_the_templates_are_left_out() -> None:
    assert measured(strangers(200)).others == (100,)
    assert measured(strangers(400)).others == (100, 200)
    with pytest.raises(ValueError, match="199 faces are too few to say how alike people are: 200 are needed"):
        measured(strangers(199))


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs"])
def test_the_backgrounds_that_come_with_the_package_leave_adults_alone(model: str) -> None:
    background, threshold = find_model(model).background, find_model(model).threshold
    assert background is not None
    assert background == shipped()[model]
    assert background.others == OTHERS
    assert list(background.mean) == sorted(background.mean)
    assert all(background.mean[0] <= background.level(others) < threshold for others in (1, 60, 150, 999, 100_000))


def test_of_other_models_nothing_is_known() -> None:
    facenet = find_model("facenet-vggface2")
    assert facenet.background is None
    assert facenet.prototypes is None


def test_the_similarity_of_a_rate_is_the_one_whose_rate_it_is() -> None:
    background = Background((100,), (0.3,), (0.2, 0.3, 0.4))
    assert [background.similarity(rate) for rate in (0.5, 0.1, 0.01, 0.001)] == pytest.approx([0.2, 0.2, 0.3, 0.4])
    assert background.false_match_rate(background.similarity(0.003) or 0) == pytest.approx(0.003)
    assert background.similarity(1e-5) == pytest.approx(0.6)
    assert Background((100,), (0.3,)).similarity(0.1) is None
