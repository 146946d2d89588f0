"""The gallery: the façade, and what serves it."""
