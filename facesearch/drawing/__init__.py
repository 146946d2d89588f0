"""Photos and faces -> pictures for people to look at. Pillow alone."""
