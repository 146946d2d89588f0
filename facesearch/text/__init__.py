"""How numbers and lines read."""
