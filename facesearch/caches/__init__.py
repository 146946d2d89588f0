"""What evaluations keep of photos under `$FACESEARCH_HOME`, and taking people out of it."""
