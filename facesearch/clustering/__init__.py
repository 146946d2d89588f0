"""Faces of unknown people in groups: templates in, the number of each one's cluster out."""

from facesearch.clustering.grouping import DEFAULT_NEIGHBOURS, grouped
from facesearch.clustering.likeness import least_similarity

__all__ = ["DEFAULT_NEIGHBOURS", "grouped", "least_similarity"]
