"""Evaluation: data sets, protocols, metrics, runs of a matrix of encoder × index, and what they found."""
