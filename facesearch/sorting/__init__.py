"""A folder of photos sorted by the people in them, without a gallery and without a name."""
