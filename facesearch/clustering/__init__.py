"""Faces of unknown people in groups: templates in, the number of each one's cluster out."""

from facesearch.clustering.grouping import DEFAULT_NEIGHBOURS, USUAL_SIMILARITY, grouped

__all__ = ["DEFAULT_NEIGHBOURS", "USUAL_SIMILARITY", "grouped"]
