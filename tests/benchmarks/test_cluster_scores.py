"""Pairwise and BCubed scores of clusters, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cluster_scores import bcubed, pairwise


def test_clusters_that_are_right_score_one_whatever_their_numbers() -> None:
    people, clusters = np.array([4, 4, -1, 0, -1]), np.array([0, 0, -1, 7, 9])
    assert pairwise(people, clusters).f == bcubed(people, clusters).f == 1


def test_a_cluster_of_two_people_costs_precision_and_a_divided_person_recall() -> None:
    people, clusters = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    pairs, faces = pairwise(people, clusters), bcubed(people, clusters)
    assert (pairs.precision, pairs.recall) == (1 / 2, 1 / 3)
    assert faces.precision == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    assert faces.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert pairs.document() == {"precision": 0.5, "recall": 0.3333, "f": 0.4}


def test_faces_that_are_alone_are_not_one_cluster() -> None:
    alone, one = np.array([-1, -1, -1]), np.array([0, 0, 0])
    assert pairwise(alone, alone).f == 1
    assert pairwise(alone, one).f == 0
    assert bcubed(one, alone).recall == pytest.approx(1 / 3)
