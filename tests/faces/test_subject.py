"""Which face a photo is of."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.errors import NoFaceError, SeveralFacesError
from facesearch.faces import Face, clear_subject, most_prominent

HEIGHT, WIDTH = 300, 400


def face(x: float, y: float, side: float, score: float = 0.99) -> Face:
    """A face of that side with its centre at x, y."""
    return Face((x - side / 2, y - side / 2, side, side), score, np.zeros((5, 2), np.float32))


def test_a_photo_without_faces_is_refused() -> None:
    for choose in (most_prominent, clear_subject):
        with pytest.raises(NoFaceError, match="no face"):
            choose([], HEIGHT, WIDTH)


def test_the_only_face_is_the_subject_wherever_it_is() -> None:
    only = face(10, 290, 20)
    assert clear_subject([only], HEIGHT, WIDTH) is most_prominent([only], HEIGHT, WIDTH) is only


def test_the_largest_face_is_the_subject() -> None:
    large, small = face(120, 150, 100), face(300, 150, 50)
    assert clear_subject([small, large], HEIGHT, WIDTH) is large


def test_the_middle_counts_more_than_the_edge() -> None:
    middle, edge = face(200, 150, 60), face(390, 150, 70)
    assert most_prominent([edge, middle], HEIGHT, WIDTH) is middle


def test_faces_of_similar_size_are_ambiguous() -> None:
    pair = [face(130, 150, 80), face(270, 150, 75)]
    with pytest.raises(SeveralFacesError, match="2 faces of similar size"):
        clear_subject(pair, HEIGHT, WIDTH)
    assert most_prominent(pair, HEIGHT, WIDTH) is pair[0]


def test_a_doubtful_detection_does_not_make_a_photo_ambiguous() -> None:
    sure, doubtful = face(130, 150, 80), face(270, 150, 78, score=0.8)
    assert clear_subject([doubtful, sure], HEIGHT, WIDTH) is sure
