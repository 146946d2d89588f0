"""Codecs: template <-> stored code."""
