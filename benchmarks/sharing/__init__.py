"""A gallery that threads and processes share, watched: who asks, who changes it, and whether each answer was right."""
