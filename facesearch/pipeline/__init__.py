"""The pipeline: photo -> faces -> crop -> template."""
